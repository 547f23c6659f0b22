"""What dvre-operator adds to StreamFlow: events, separate error output, container limits."""
