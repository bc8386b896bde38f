"""Tools for whoever installs a site: device profiles, single devices, whole wires."""
