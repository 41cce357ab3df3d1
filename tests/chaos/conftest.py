from tests.support.rabbitmq import broker, clean_broker, rabbitmq

__all__ = ["broker", "clean_broker", "rabbitmq"]
