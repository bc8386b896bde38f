"""Device profiles: data only. This file lets an editable install find them."""
