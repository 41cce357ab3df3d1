"""Everything that runs the services: command line, embedded servers, gateways and the offline Stripe."""
