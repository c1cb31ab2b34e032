"""Every setting: its flag, its AGENT_TOOLS_ variable, its default. The only module that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from agent_tools.errors import InvalidArgument

Profile = Literal["auto", "lite", "standard", "full"]
Transport = Literal["stdio", "http"]
ToolSet = Literal["lean", "full"]
PREFIX = "AGENT_TOOLS_"
WORKER_SETTINGS = (
    *("home", "cache", "store", "files", "roots", "profile", "models", "model_dirs", "device", "endpoint_key"),
    *("fps", "threads", "memory_mb", "ocr_per_hour", "work_channels", "log_level"),
)
FLAGS: Mapping[str, str] = {"roots": "root", "work_channels": "channel"}  # where a flag is not called as its setting
HELP: Mapping[str, str] = {
    "home": "folder for the memory file, kept frames and logs",
    "cache": "folder for models unpacked once out of packages, shared by all data folders; by variable only",
    "store": "address of a shared memory, postgresql://USER@HOST/NAME; the default is a file in the data folder",
    "files": "where kept pictures lie instead of in the memory: s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER",
    "allow": "folder whose videos may be read; repeat the flag, or separate folders like PATH",
    "roots": "NAME=FOLDER: an allowed folder that may lie elsewhere on other machines of a shared memory; repeat it",
    "profile": "models to use: auto, lite, standard or full",
    "models": "role=model that replaces the profile's: a folder, org/name@revision, off; repeat the flag",
    "model_dirs": "folder that holds model folders, besides the Hugging Face cache; repeat the flag",
    "device": "where models run: auto, cpu, cuda or mps",
    "endpoint_key": "bearer token of the endpoint, of captions or of eval's model; by variable only, never by flag",
    "transport": "how clients connect: stdio or http",
    "host": "address that http listens on",
    "port": "port that http listens on",
    "allowed_hosts": "host names that http clients may use; needed if --host is not loopback",
    "allow_urls": "also accept http(s) addresses of video files, and of pages where the extra web is installed",
    "read_only": "publish no tool that writes: no ingest_video, no remember",
    "tools": "arguments that the tools publish: lean (the usual ones) or full; both sets accept the same calls",
    "token": "bearer token that http asks for; by variable only, never by flag",
    "oauth_issuer": "address of the issuer of access tokens; needs --oauth-jwks and --oauth-audience",
    "oauth_jwks": "the issuer's public keys: an https address or a JWKS file",
    "oauth_audience": "public address of this server, which access tokens must name: https://host/mcp",
    "fps": "pictures looked at per second of video",
    "threads": "threads of an ingest; 0 means all cores but one",
    "memory_mb": "memory limit of an ingest worker in MB; 0 means 6000 plus the memory of its models",
    "ocr_per_hour": "how many pictures OCR may read per hour of video",
    "work_channels": "channel that a worker makes, leaving the others of a job to other workers; repeat the flag",
    "jobs": "how many ingests may wait in the queue",
    "log_level": "lowest level of the messages on stderr",
}


@dataclass(frozen=True)
class Settings:
    """One server's or command's settings, checked when made. Flags win over variables, variables over defaults."""

    home: Path
    cache: Path = field(default_factory=lambda: default_cache())
    store: str = ""
    files: str = ""
    allow: tuple[Path, ...] = ()
    roots: tuple[str, ...] = ()
    profile: Profile = "auto"
    models: tuple[str, ...] = ()
    model_dirs: tuple[Path, ...] = ()
    device: str = "auto"
    endpoint_key: str = ""
    transport: Transport = "stdio"
    host: str = "127.0.0.1"
    port: int = 8765
    allowed_hosts: tuple[str, ...] = ()
    allow_urls: bool = False
    read_only: bool = False
    tools: ToolSet = "lean"
    token: str = ""
    oauth_issuer: str = ""
    oauth_jwks: str = ""
    oauth_audience: str = ""
    fps: float = 1.0
    threads: int = 0
    memory_mb: int = 0
    ocr_per_hour: int = 400
    work_channels: tuple[str, ...] = ()
    jobs: int = 500
    log_level: str = "WARNING"

    def __post_init__(self) -> None:
        _check(self.profile in get_args(Profile), "profile", self.profile, f"one of {', '.join(get_args(Profile))}")
        _check(self.transport in get_args(Transport), "transport", self.transport, "stdio or http")
        _check(self.tools in get_args(ToolSet), "tools", self.tools, "lean or full")
        known = not self.store or self.store.startswith(("postgresql://", "postgres://"))
        _check(
            known, "store", self.store.partition("@")[2] or self.store, "postgresql://USER@HOST:PORT/NAME, or nothing"
        )
        schemes = ("s3://", "gs://", "az://", "file:///")
        _check(not self.files or self.files.startswith(schemes), "files", self.files, "s3://BUCKET/PREFIX, or nothing")
        for text in self.roots:
            _check(all(text.partition("=")[::2]), "roots", text, "NAME=FOLDER, such as lectures=/mnt/lectures")
        for text in self.models:
            _check(all(text.partition("=")[::2]), "models", text, "role=model, such as speech=/models/whisper")
        _check(0 < self.port < 65536, "port", self.port, "a port from 1 to 65535")
        _check(0.1 <= self.fps <= 10, "fps", self.fps, "from 0.1 to 10 pictures a second")
        _check(self.threads >= 0, "threads", self.threads, "0 (all cores but one) or more")
        enough = self.memory_mb == 0 or self.memory_mb >= 500
        _check(enough, "memory_mb", self.memory_mb, "at least 500 (megabytes), or 0 (6000 and what the models take)")
        _check(1 <= self.ocr_per_hour <= 3600, "ocr_per_hour", self.ocr_per_hour, "from 1 to 3600 pictures an hour")
        _check(self.jobs >= 1, "jobs", self.jobs, "at least 1")
        levels = ("DEBUG", "INFO", "WARNING", "ERROR")
        _check(self.log_level in levels, "log_level", self.log_level, f"one of {', '.join(levels)}")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **flags: Any) -> Settings:
        """Settings from the environment, overridden by each flag that is not None.

        Raises: InvalidArgument: a value that its rule forbids, or an unknown AGENT_TOOLS_ variable.
        """
        environ = os.environ if environ is None else environ
        known = {PREFIX + one.name.upper(): one.name for one in fields(cls)}
        values: dict[str, Any] = {"home": default_home()}
        for name, text in environ.items():
            if name in known and text != "":
                values[known[name]] = _parsed(known[name], text)
            elif name.startswith(PREFIX) and name not in known and not name.startswith(PREFIX + "TEST_"):
                raise InvalidArgument(f"{name} is not a setting. Settings: {', '.join(sorted(known))}.")
        values.update({name: value for name, value in flags.items() if value not in (None, ())})
        for name in {"home", "cache"} & set(values):
            values[name] = Path(values[name]).expanduser().absolute()
        for name in ("allow", "model_dirs"):
            values[name] = tuple(Path(folder).expanduser().absolute() for folder in values.get(name, ()))
        return cls(**values)

    @property
    def worker_threads(self) -> int:
        """Threads an ingest may use: never all cores, so that the machine stays usable."""
        return self.threads or max(1, (os.cpu_count() or 2) - 1)


def variable(name: str) -> str:
    """The environment variable of a setting: "allow_urls" -> "AGENT_TOOLS_ALLOW_URLS"."""
    return PREFIX + name.upper()


def flag_of(name: str) -> str:
    """The flag of a setting: "allow_urls" -> "--allow-urls"."""
    return "--" + FLAGS.get(name, name).replace("_", "-")


def default_home() -> Path:
    """The platform's own folder for an application's data."""
    import platformdirs

    return Path(platformdirs.user_data_dir("agent-tools", appauthor=False))


def default_cache() -> Path:
    """The platform's own folder for what an application can make again."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("agent-tools", appauthor=False))


def worker_environment(settings: Settings) -> dict[str, str]:
    """The environment of a worker process: this process's own, without the token, with the settings a worker needs.

    Model libraries send no telemetry and stay offline: a download happens only if the user asks for it.
    """
    environment = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
    environment.update(worker_variables(settings))
    environment.update(offline_switches())
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def worker_variables(settings: Settings) -> dict[str, str]:
    """The settings that a worker needs, as variables."""
    found = {}
    for name in WORKER_SETTINGS:
        value = getattr(settings, name)
        separator = os.pathsep if name == "model_dirs" else ","
        found[variable(name)] = separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
    return found


def offline_switches() -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "false",
        "DO_NOT_TRACK": "1",
    }


def go_offline() -> None:
    """Make the model libraries of this process offline and quiet. Call it before they are imported."""
    os.environ.update(offline_switches())


def _check(ok: bool, name: str, value: object, rule: str) -> None:
    if not ok:
        raise InvalidArgument(f"{name} is {value!r}; it must be {rule}. Set it by {flag_of(name)} or {variable(name)}.")


def _parsed(name: str, text: str) -> object:
    kind = next(one.type for one in fields(Settings) if one.name == name)
    try:
        match kind:
            case "bool":
                lowered = text.strip().lower()
                if lowered not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
                    raise ValueError(text)
                return lowered in ("1", "true", "yes", "on")
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "tuple[Path, ...]":
                return tuple(Path(part) for part in text.split(os.pathsep) if part)
            case "tuple[str, ...]":
                return tuple(part.strip() for part in text.split(",") if part.strip())
            case _:
                return cast(object, text)
    except ValueError as error:
        raise InvalidArgument(f"{variable(name)} is {text!r}, which is not a {kind}.") from error
