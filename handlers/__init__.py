"""What happens next: policies, relay, queue and jobs. Nothing starts work in the background yet."""
