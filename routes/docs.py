"""The page `/docs`: Swagger UI, whose files the service sends itself, so that it works without the
internet.
"""

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse

# Of the package the files alone: behind a proxy that ends TLS, its own page names http:// URLs,
# which browsers block.
SWAGGER_UI = str(files("fastapi_swagger") / "resources")
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E"
    "%3Crect width='16' height='16' rx='4' fill='%231d5fa8'/%3E"
    "%3Cpath d='m4 8.5 2.7 2.7L12 5.5' fill='none' stroke='%23fff' stroke-width='2'/%3E%3C/svg%3E"
)

router = APIRouter(include_in_schema=False)


@router.head("/docs")
@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    prefix = request.scope.get("root_path", "")
    return get_swagger_ui_html(
        openapi_url=prefix + request.app.openapi_url,
        title=request.app.title,
        swagger_js_url=f"{prefix}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{prefix}/docs/swagger-ui.css",
        swagger_favicon_url=ICON,
    )


@router.head("/docs/swagger-ui-bundle.js")
@router.get("/docs/swagger-ui-bundle.js")
async def swagger_ui_bundle() -> FileResponse:
    return FileResponse(f"{SWAGGER_UI}/swagger-ui-bundle.js")


@router.head("/docs/swagger-ui.css")
@router.get("/docs/swagger-ui.css")
async def swagger_ui_css() -> FileResponse:
    return FileResponse(f"{SWAGGER_UI}/swagger-ui.css")
