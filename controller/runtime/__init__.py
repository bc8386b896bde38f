"""The moving parts: control cycle, session owners, supervision. The core decides; this carries out."""
