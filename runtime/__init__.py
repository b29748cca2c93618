"""What runs: settings, wiring, embedded servers, programs, command line."""
