"""The server's side of MQTT; the promises are in `base`, the implementations in `mqtt` and `memory`."""

from waypass_server.bus.base import BusState, Message, MessageBus, Receipt, matches
from waypass_server.bus.memory import MemoryBroker, MemoryBus
from waypass_server.bus.mqtt import MqttBus
from waypass_server.bus.settings import BusSettings, Tls

__all__ = [
    "BusSettings",
    "BusState",
    "MemoryBroker",
    "MemoryBus",
    "Message",
    "MessageBus",
    "MqttBus",
    "Receipt",
    "Tls",
    "matches",
]
