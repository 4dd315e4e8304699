"""Who is asking: verifies the token that chatkit-mint's gateway sends to a self-hosted ChatKit server.

    pip install fastapi "pyjwt[crypto]"

    @app.post("/chatkit")
    async def chatkit(request: Request, context: ChatKitContext = Depends(chatkit_context)):
        result = await server.process(await request.body(), context)   # chatkit-python
        ...

In the store, answer for threads of `context.user` only. No trust in the network is needed: the token
is signed, names this server as its audience, and lives for seconds.
"""
import logging
import os
from dataclasses import dataclass, field

import jwt
from fastapi import Header, HTTPException

ISSUER = os.environ["CHATKIT_MINT_URL"]  # chatkit-mint's PUBLIC_URL
AUDIENCE = os.environ["CHATKIT_SERVER_URL"]  # exactly the workflow's `server`
# Its published keys; at another address where this server cannot reach PUBLIC_URL, as in config/compose.yaml.
KEYS = jwt.PyJWKClient(os.environ.get("CHATKIT_MINT_KEYS_URL", f"{ISSUER}/.well-known/jwks.json"))


@dataclass(frozen=True)
class ChatKitContext:
    user: str
    session: str | None  # None when the service itself asks, for an admin
    state: dict = field(default_factory=dict)


def chatkit_context(authorization: str = Header("")) -> ChatKitContext:
    scheme, _, token = authorization.partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise jwt.InvalidTokenError("no bearer token")
        claims = jwt.decode(
            token,
            KEYS.get_signing_key_from_jwt(token).key,
            # PyJWT does not know the name Ed25519: make such a signing key with `--alg EdDSA`.
            algorithms=["ES256", "EdDSA", "RS256", "PS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": ["exp", "iat", "sub"]},
        )
    except jwt.PyJWTError as error:
        # One line, without the token. The message may repeat a name from the token's header, hence %r.
        logging.getLogger(__name__).warning(
            "401, the token was refused: %r (issuer %s with its keys at %s, audience %s)",
            str(error),
            ISSUER,
            KEYS.uri,
            AUDIENCE,
        )
        raise HTTPException(401, "not sent by chatkit-mint", {"WWW-Authenticate": "Bearer"}) from error
    return ChatKitContext(claims["sub"], claims.get("sid"), claims.get("state", {}))
