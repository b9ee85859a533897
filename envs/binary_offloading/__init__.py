"""Binary computation offloading of many devices over one radio channel: compute locally, or send all to the edge."""
