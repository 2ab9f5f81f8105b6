"""One-time sign-in links for several api-servers: signed tokens, used up in Airflow's own table of revoked tokens.

A link that one api-server's container made works at every other one of the installation: they share the key that signs
sessions, and the database. A token is for this audience alone, so that none is a session and no session is a link.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import UTC, datetime

import jwt
from airflow.configuration import conf

from skyrail.auth.links import REMEMBER_SECONDS, Redemption
from skyrail.errors import SkyrailError

log = logging.getLogger(__name__)

DATABASE = "database"
"""What `[skyrail_auth] login_links` says for links of this kind."""

AUDIENCE = "skyrail:login"
ALGORITHM = "HS512"


def create_shared_token(*, lifetime_seconds: float = 900) -> str:
    """Create the token of a sign-in link that works once, for 15 minutes unless said otherwise.

    Raises:
        SkyrailError: this process does not have the key that the api-servers share.
    """
    now = time.time()
    claims = {
        "jti": uuid.uuid4().hex,
        "iss": _issuer(),
        "aud": AUDIENCE,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now + lifetime_seconds),
    }
    return jwt.encode(claims, _key(), algorithm=ALGORITHM)


def redeem_shared(token: str) -> Redemption:
    """Use a token up and say how that ended. Of any number of attempts at once, at any server, exactly one is accepted.

    It asks the database, and blocks meanwhile.
    """
    try:
        claims = jwt.decode(
            token,
            _key(),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=_issuer(),
            options={"require": ["jti", "exp", "iat", "nbf", "iss"]},
        )
    except jwt.ExpiredSignatureError:
        return Redemption.EXPIRED
    except (jwt.InvalidTokenError, ValueError):
        return Redemption.UNKNOWN
    # Airflow removes a row when its time is over; until then the token itself has expired.
    return _spend(str(claims["jti"]), datetime.fromtimestamp(claims["exp"] + REMEMBER_SECONDS, UTC))


def _spend(jti: str, until: datetime) -> Redemption:
    from airflow.models.revoked_token import RevokedToken
    from airflow.utils.session import create_session
    from sqlalchemy import insert
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    try:
        # Not `RevokedToken.revoke`, which is content with a row that is there: the primary key has one winner.
        with create_session() as session:
            session.execute(insert(RevokedToken).values(jti=jti, exp=until))
    except IntegrityError:
        return Redemption.USED
    except SQLAlchemyError as error:
        log.warning("The sign-in link cannot be checked: %s", str(error).partition("\n")[0])
        return Redemption.UNKNOWN
    return Redemption.ACCEPTED


def _issuer() -> str:
    return conf.get("api_auth", "jwt_issuer", fallback="skyrail")


def _key() -> str:
    key = conf.get("api_auth", "jwt_secret", fallback="")
    if not key:
        raise SkyrailError(
            "A sign-in link needs the key that signs sessions, and this process does not have it.",
            fix="Run the command in a container of the api-server, and set [api_auth] jwt_secret there.",
        )
    return key
