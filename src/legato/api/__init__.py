"""REST: one set of handlers, a renderer per generation of the API."""

from legato.api.admission import Admission
from legato.api.api import Api
from legato.api.contract import Answer, Auth, Generation, Raw, Reply, Request, Route, route, routes_of
from legato.api.rooms import ROOMS, rooms
from legato.api.services import Services, Sessions
from legato.api.settings import ApiSettings

__all__ = [
    "ROOMS",
    "Admission",
    "Answer",
    "Api",
    "ApiSettings",
    "Auth",
    "Generation",
    "Raw",
    "Reply",
    "Request",
    "Route",
    "Services",
    "Sessions",
    "rooms",
    "route",
    "routes_of",
]
