"""NATS JetStream: a stream that holds the last state of each record."""
