"""What the Python clients share: the plan, prompts and resources where a library has them, one JSON line."""
import json, os

PLAN = json.loads(os.environ.get("PLAN", "[]"))
URL, KEY = os.environ.get("URL", ""), os.environ.get("KEY", "")
HEADERS = {"Authorization": "Bearer " + KEY}
PROMPT, DOCUMENT = "everything__args-prompt", "everything+demo://resource/static/document/features.md"
out = {"tools": [], "calls": {}, "offers": {}}


def text_of(content):
    return "".join(getattr(part, "text", "") for part in content)


def keep(step, text, error, **more):
    out["calls"][step["name"]] = {"error": error, "text": str(text)[:2000], **more}


async def offer(name, asked):
    """One feature beside tools; `asked` is what to await, which is true when it is right."""
    try:
        out["offers"][name] = {"ok": bool(await asked)}
    except Exception as error:
        out["offers"][name] = {"ok": False, "told": f"{type(error).__name__}: {error}"[:500]}


def done():
    print(json.dumps(out, default=str), flush=True)
