from tests.support.rabbitmq import clean_broker, rabbitmq

__all__ = ["clean_broker", "rabbitmq"]
