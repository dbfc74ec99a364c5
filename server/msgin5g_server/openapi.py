"""The OpenAPI document of what this Server provides, as JSON and as a page.

Schemas come from the types that check the requests, so that the two cannot differ.
"""

import json
from typing import Any

import msgspec
from aiohttp import web

from msgin5g_host.http_access import PROBLEM_TYPE
from msgin5g_server import northbound_types as t
from msgin5g_server.docs_page import page
from msgin5g_server.northbound import DELIVERY, REGISTRATIONS
from msgin5g_server.problems import MAX_BODY_BYTES

_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_ERRORS = {
    400: "The body is not JSON, or a member of it cannot be used: `invalidParams` names it.",
    401: "A bearer token is missing or unknown.",
    403: "The bearer token, or the Service ID, is another's.",
    404: "There is no such resource.",
    408: "The body did not arrive in time.",
    413: f"The body has more than {MAX_BODY_BYTES} bytes.",
    415: "The body is not application/json.",
    503: "There is no room, or the disk takes nothing; try again later.",
}
_SENT = (400, 401, 403, 408, 413, 415, 503)
_ADDRESS = {"addrType": "AS", "addr": "urn:example:as:1"}
_UE = {"addrType": "UE", "addr": "urn:example:ue:1"}
_ID = "7c9a3a5e-3c1e-4a55-9d55-0d6f1f6c2b11"
_TAKEN = (
    "Taken, on disk. `status` DELY_STORED: it waits for its recipient. DELY_FAILED: it is not "
    "delivered, for the reason in `failureCause`."
)


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    types = [
        *(t.ASRegistration, t.ASRegistrationAck, t.ASMessageDelivery, t.UEMessageDelivery),
        *(t.DeliveryStatusReport, t.MessageDeliveryAck, t.ProblemDetails),
    ]
    _, schemas = msgspec.json.schema_components(types, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "MSGin5G Server",
            "version": "1.0.0",
            "summary": "msgs-asregistration and msgs-msgdelivery of 3GPP TS 29.538",
            "description": "An Application Server registers, takes what UEs send at its "
            "`targetUri`, and sends to a UE, a group, a topic or a broadcast area.",
        },
        "security": [{}, {"bearer": []}],
        "paths": {
            REGISTRATIONS: {"post": _register()},
            REGISTRATIONS + "/{registrationId}": {"delete": _deregister()},
            DELIVERY + "/deliver-as-message": {"post": _from_as()},
            DELIVERY + "/deliver-ue-message": {"post": _from_ue()},
            DELIVERY + "/deliver-report": {"post": _report()},
        },
        "components": {
            "schemas": _portable(schemas),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


class Description:
    """The handlers of /openapi.json and /docs."""

    def __init__(self) -> None:
        made = document()
        self._json = json.dumps(made, indent=1)
        self._page = page(made)

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/openapi.json", self._document)
        app.router.add_get("/docs", self._docs)

    async def _document(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text=self._json, content_type=_JSON)

    async def _docs(self, request: web.Request) -> web.Response:
        del request
        # The page needs nothing from anywhere, so it may get nothing from anywhere.
        policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
        return web.Response(text=self._page, content_type="text/html", headers=policy)


def _register() -> dict[str, Any]:
    callback = {"oneOf": [_ref(one) for one in _CALLED]}
    example = {"asSvcId": "urn:example:as:1", "targetUri": "http://127.0.0.1:9000/msgin5g"}
    operation = _post("Register an AS", "ASRegistration", example, 201, "ASRegistrationAck")
    operation["description"] = (
        "Who registers again replaces the registration. Without `targetUri` messages wait at "
        "`GET /messages?application=URI`."
    )
    operation["responses"]["201"]["headers"] = {
        "Location": {"required": True, "schema": {"type": "string"}}
    }
    operation["callbacks"] = {
        "delivery": {
            "{$request.body#/targetUri}": {
                "post": {
                    "summary": "A message (UEMessageDelivery), a report on a message of the AS "
                    "(DeliveryStatusReport), or what became of one (MessageDeliveryAck)",
                    "requestBody": {"content": {_JSON: {"schema": callback}}},
                    "responses": {
                        "2XX": {"description": "Taken; it does not come again."},
                        "4XX": {"description": "Refused for good; the sender is told."},
                        "5XX": {"description": "Later; it comes again until it expires."},
                    },
                }
            }
        }
    }
    return operation


def _deregister() -> dict[str, Any]:
    return {
        "summary": "De-register an AS",
        "operationId": "deregister",
        "parameters": [
            {
                "name": "registrationId",
                "in": "path",
                "required": True,
                "schema": {"type": "string"},
                "description": "The last part of the Location.",
            }
        ],
        "responses": {
            "200": _answer("De-registered.", "ASRegistrationAck"),
            **_problems((401, 403, 404, 503)),
        },
    }


def _from_as() -> dict[str, Any]:
    example = {
        **{"oriAddr": _ADDRESS, "destAddr": _UE, "msgId": _ID, "stoAndFwInd": True},
        **{"payload": "open the valve", "delivStReqInd": True},
    }
    return _delivery("Send a message of an AS", "ASMessageDelivery", example)


def _from_ue() -> dict[str, Any]:
    example = {"oriAddr": _UE, "destAddr": _ADDRESS, "msgId": _ID, "stoAndFwInd": False}
    summary = "Pass a message on: message gateways and other Servers"
    return _delivery(summary, "UEMessageDelivery", {**example, "payload": "21.5"})


def _report() -> dict[str, Any]:
    example = {"oriAddr": _ADDRESS, "destAddr": _UE, "msgId": _ID, "delivSt": "REPT_DELY_SUCCESS"}
    return _delivery("Report on a message that was taken", "DeliveryStatusReport", example)


def _delivery(summary: str, wanted: str, example: dict[str, Any]) -> dict[str, Any]:
    operation = _post(summary, wanted, example, 200, "MessageDeliveryAck")
    operation["responses"]["200"]["description"] = _TAKEN
    return operation


def _post(
    summary: str, wanted: str, example: dict[str, Any], status: int, given: str
) -> dict[str, Any]:
    content = {_JSON: {"schema": _ref(wanted), "example": example}}
    return {
        "summary": summary,
        "operationId": wanted,
        "requestBody": {"required": True, "content": content},
        "responses": {str(status): _answer("Done, on disk.", given), **_problems(_SENT)},
    }


def _answer(description: str, name: str) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": _ref(name)}}}


def _problems(statuses: tuple[int, ...]) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": _ref("ProblemDetails")}}
    return {str(one): {"description": _ERRORS[one], "content": content} for one in statuses}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(name=name)}


_CALLED = ("UEMessageDelivery", "DeliveryStatusReport", "MessageDeliveryAck")


def _portable(value: Any) -> Any:
    r"""JSON Schema's regular expressions are ECMAScript's: the end is $ there, not \Z.

    What is whole has a type of its own.
    """
    if isinstance(value, dict):
        if value.get("multipleOf") == 1:
            value = {**value, "type": "integer"}
            del value["multipleOf"]
        return {
            key: one.replace(r"\Z", "$") if key == "pattern" else _portable(one)
            for key, one in value.items()
        }
    return [_portable(one) for one in value] if isinstance(value, list) else value
