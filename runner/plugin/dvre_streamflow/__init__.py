"""What dvre-operator adds to StreamFlow: events, explained failures, limits, connectors."""
