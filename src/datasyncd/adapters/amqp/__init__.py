"""RabbitMQ: stream queues, which keep what is published to them."""
