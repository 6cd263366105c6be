"""Makes the clock by which botocore judges credentials 450 times as fast: an hour passes in 8 s.

To credentials that live less than about 25 minutes botocore gives an expiry of its own, and asks for
new ones 2 to 10 minutes later. A test has no such minutes, so botocore's become 0.3 to 1.3 s. Its code
runs as it is, requests are signed with the real time, and the program knows nothing.
"""

import datetime
import types

import botocore.credentials
import botocore.utils

SPEED = 450
START = datetime.datetime.now(datetime.timezone.utc)


def fast(now):
    return now + (now - START) * (SPEED - 1)


class FastDatetime(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return fast(datetime.datetime.now(datetime.timezone.utc)).astimezone(tz)


clock = types.ModuleType("datetime")
clock.__dict__.update(datetime.__dict__, datetime=FastDatetime)
botocore.credentials.datetime = clock
botocore.utils.get_current_datetime = lambda: FastDatetime.now(datetime.timezone.utc).replace(tzinfo=None)
