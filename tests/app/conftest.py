"""A browser on a page of its own."""

from __future__ import annotations

import pytest


@pytest.fixture
def browser():
    from app_pages import UPLOAD_LIMIT, visit

    from ttm_sk.app.site import make_app

    return visit(make_app(upload_limit=UPLOAD_LIMIT))
