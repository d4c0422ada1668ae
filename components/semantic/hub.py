"""Pretrained models by name: a hub id, a folder, or one inside an installed package; safetensors only, and no code of theirs is run."""

import hashlib
import importlib.metadata
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from components import artifacts
from components.errors import ConfigError, DataError

FETCHED = ["*.json", "*.safetensors", "*.txt", "*.model"]
BROKEN = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    ImportError,
    AttributeError,
    TypeError,
    SafetensorError,
)  # by damage


@dataclass(frozen=True)
class Weights:
    """A model's folder that has all it needs.

    Attributes:
        key: the configuration key that named it, for errors; model: what it said.
    """

    key: str
    model: str
    folder: Path

    @classmethod
    def find(cls, key: str, model: str, needed: Mapping[str, tuple[str, ...]]) -> "Weights":
        """Find a model's folder.

        Args:
            needed: file names, any of which will do, by what they are.

        Raises:
            ConfigError: there is no such folder, it lacks a file that is needed, or is of an architecture that is not known.
        """
        found = cls(key, model, _find(key, model))
        if not found.folder.is_dir():
            raise found.refusal(f"{found.folder} is no folder; give a hub id, a folder or package:NAME/FOLDER")
        if not (found.folder / "config.json").is_file():
            raise found.refusal(f"{found.folder} has no config.json")
        if not any(found.folder.glob("*.safetensors")):
            raise found.refusal(f"{found.folder} has no *.safetensors; pickled weights are not read, convert them first")
        for what, names in needed.items():
            if not any(any(found.folder.glob(name)) for name in names):
                raise found.refusal(f"{found.folder} has no {what} ({', '.join(names)})")
        return found

    def network(self, dtype: str, spare: str = "pooler") -> Any:
        """Load the weights, ready to encode.

        Args:
            spare: part of the names of weights that may be missing, since they are not used.

        Raises:
            ConfigError: the architecture is unknown, or weights are damaged or missing.
        """
        import torch
        import transformers  # late: it takes seconds, and a plain BERT needs none of it

        transformers.utils.logging.disable_progress_bar()
        self._check_architecture()
        try:
            network, about = transformers.AutoModel.from_pretrained(
                self.folder, use_safetensors=True, trust_remote_code=False, dtype=getattr(torch, dtype), output_loading_info=True
            )
        except BROKEN as error:
            raise self.refusal(f"can't be loaded from {self.folder}: {error}") from None
        missing = sorted(name for name in about["missing_keys"] if spare not in name)
        if missing:
            raise self.refusal(f"{self.folder} is incomplete: {len(missing)} weights are missing, {missing[0]} first")
        return network.eval()

    def processor(self, kind: Any) -> Any:
        """Load what prepares a model's input (`kind` is AutoTokenizer or AutoImageProcessor); raises ConfigError when it can't be."""
        try:
            return kind.from_pretrained(self.folder, trust_remote_code=False)
        except BROKEN as error:
            raise self.refusal(f"can't be loaded from {self.folder}: {error}") from None

    def fingerprint(self, settings: Any) -> str:
        """Name all that decides a vector: the folder, settings and library versions."""
        versions = [importlib.metadata.version(name) for name in ("torch", "transformers")]
        about = [asdict(settings), *versions, artifacts.fingerprint(self.folder)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]

    def refusal(self, why: str) -> ConfigError:
        """Word an error that names the key and the model."""
        return ConfigError(f"{self.key}: {self.model!r}: {why}")

    def tokenizer(self) -> Any:
        """Load what cuts texts into tokens; raises ConfigError when it can't be."""
        from transformers import AutoTokenizer

        return self.processor(AutoTokenizer)

    def _check_architecture(self) -> None:
        import transformers
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

        try:
            about = artifacts.read_json(self.folder / "config.json")
        except DataError as error:
            raise self.refusal(f"can't be loaded: {error}") from None
        kind = about.get("model_type") if isinstance(about, dict) else None
        if kind not in CONFIG_MAPPING:
            own = "; it brings code of its own, which is not run" if isinstance(about, dict) and "auto_map" in about else ""
            known = f"transformers {transformers.__version__} knows no architecture {kind!r}"
            raise self.refusal(f"can't be loaded from {self.folder}: {known} (model_type in config.json){own}")


def _find(key: str, model: str) -> Path:
    if model.startswith("package:"):
        name, _, inner = model.removeprefix("package:").partition("/")
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None:
            raise ConfigError(f"{key}: {model!r}: no Python package {name!r} is installed; install it with pip")
        return artifacts.inside(Path(spec.origin).parent, inner)
    if Path(model).exists() or model.startswith((".", "/")) or model.count("/") > 1:
        return Path(model)
    import huggingface_hub  # late: weights that lie here need no network
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(huggingface_hub.snapshot_download(model, allow_patterns=FETCHED))
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise ConfigError(
            f"{key}: {model!r} is no folder, and the hub gave no such model ({error}); to download it once, set HF_HUB_OFFLINE=0"
        ) from None
