"""The site as charging stations of a CSMS."""
