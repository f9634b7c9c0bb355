"""Which model files of other programs are offered, and that nothing else is looked at."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.local.gguf_bytes import gguf, llama, write
from tui_chat.core.local import GgufFile
from tui_chat.local.folders import find_models, folders, limits

DIGEST = "ab" * 32
OTHER = "cd" * 32


def found(home: Path, **variables: str) -> list[GgufFile]:
    return find_models(folders({"HOME": str(home), **variables}, "linux"), limits())


def names(home: Path, **variables: str) -> list[tuple[str, str]]:
    return [(model.name, model.source) for model in found(home, **variables)]


def ollama(models: Path, name: str, digest: str, *, blob: bytes | None = None) -> Path:
    """A model as Ollama keeps it: a manifest that names a blob."""
    layers = [
        {"mediaType": "application/vnd.ollama.image.template", "digest": f"sha256:{OTHER}"},
        {"mediaType": "application/vnd.ollama.image.model", "digest": f"sha256:{digest}"},
    ]
    write(models / "manifests" / name, json.dumps({"schemaVersion": 2, "layers": layers}).encode())
    return write(models / "blobs" / f"sha256-{digest}", blob)


def hub(home: Path, owner_and_name: str, file: str, *, blob: str = "b10b") -> Path:
    """A file as Hugging Face's hub keeps it: a blob, and a link to it in a snapshot."""
    repository = home / ".cache/huggingface/hub" / f"models--{owner_and_name}"
    write(repository / "blobs" / blob)
    link = repository / "snapshots" / "0123abc" / file
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("../" * (len(Path(file).parts) + 1)) / "blobs" / blob)
    return link


def test_each_programs_models_are_found_under_their_names(tmp_path: Path) -> None:
    ollama(tmp_path / ".ollama/models", "registry.ollama.ai/library/llama3.2/3b", DIGEST)
    write(tmp_path / ".cache/llama.cpp/ggml-org_gemma.gguf")
    write(tmp_path / ".lmstudio/models/publisher/Qwen3-GGUF/Qwen3-Q4.gguf")
    write(tmp_path / ".cache/lm-studio/models/publisher/old/Old.gguf")
    hub(tmp_path, "owner--name", "Phi.gguf")

    assert [
        ("ggml-org_gemma", "llama.cpp"),
        ("llama3.2:3b", "Ollama"),
        ("Old", "LM Studio"),
        ("Phi", "Hugging Face"),
        ("Qwen3-Q4", "LM Studio"),
    ] == names(tmp_path)


def test_what_is_found_is_described(tmp_path: Path) -> None:
    path = write(tmp_path / ".cache/llama.cpp/m.gguf", gguf(llama({"llama.context_length": 2048})) + bytes(1000))

    assert [GgufFile(path, "m", path.stat().st_size, "llama.cpp", "llama", 2048, 2048)] == found(tmp_path)


@pytest.mark.parametrize(
    ("manifest", "name"),
    [
        ("registry.ollama.ai/library/qwen3/latest", "qwen3:latest"),
        ("registry.ollama.ai/somebody/qwen3/8b", "somebody/qwen3:8b"),
        ("hf.co/bartowski/Model-GGUF/Q4_K_M", "hf.co/bartowski/Model-GGUF:Q4_K_M"),
    ],
)
def test_ollamas_models_have_ollamas_names(tmp_path: Path, manifest: str, name: str) -> None:
    ollama(tmp_path / ".ollama/models", manifest, DIGEST)

    assert [(name, "Ollama")] == names(tmp_path)


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"no json",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"layers": 7}',
        b'{"layers": [7]}',
        b'{"layers": [{}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": 7}]}',
        b'{"layers": [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:../../../secret"}]}',
        b"\xff\xfe",
    ],
)
def test_a_manifest_that_is_none_offers_nothing(tmp_path: Path, manifest: bytes) -> None:
    models = tmp_path / ".ollama/models"
    write(models / "manifests/registry.ollama.ai/library/bad/1", manifest)
    ollama(models, "registry.ollama.ai/library/good/1", DIGEST)

    assert [("good:1", "Ollama")] == names(tmp_path)


def test_a_model_in_parts_is_one_model(tmp_path: Path) -> None:
    folder = tmp_path / ".lmstudio/models/publisher/big"
    for number in (1, 2, 3):
        write(folder / f"Big-0000{number}-of-00003.gguf")
    write(folder / "Half-00001-of-00002.gguf")
    write(folder / "Tail-00002-of-00002.gguf")

    (model,) = found(tmp_path)

    assert ("Big", 3 * len(gguf())) == (model.name, model.size)
    assert "Big-00001-of-00003.gguf" == model.path.name


def test_a_model_that_two_programs_share_is_offered_once(tmp_path: Path) -> None:
    first = write(tmp_path / ".cache/llama.cpp/m.gguf")
    second = tmp_path / ".lmstudio/models/publisher/m/m.gguf"
    second.parent.mkdir(parents=True)
    second.hardlink_to(first)

    assert [("m", "llama.cpp")] == names(tmp_path)


def test_what_cannot_chat_or_is_no_model_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / ".cache/llama.cpp"
    write(folder / "mmproj.gguf", gguf(llama({"general.architecture": "clip"})))
    write(folder / "half.gguf", gguf()[:40])
    write(folder / "text.gguf", b"hello")
    write(folder / "m.txt")
    os.mkfifo(folder / "pipe.gguf")
    (folder / "folder.gguf").mkdir()

    assert [] == names(tmp_path)


def test_no_link_is_followed_out(tmp_path: Path) -> None:
    outside = write(tmp_path / "private/m.gguf")
    llama = tmp_path / ".cache/llama.cpp"
    llama.mkdir(parents=True)
    (llama / "link.gguf").symlink_to(outside)
    studio = tmp_path / ".lmstudio/models"
    studio.mkdir(parents=True)
    (studio / "publisher").symlink_to(outside.parent, target_is_directory=True)
    snapshots = tmp_path / ".cache/huggingface/hub/models--a--b/snapshots/1"
    snapshots.mkdir(parents=True)
    (snapshots / "m.gguf").symlink_to(outside)
    write(tmp_path / "private/snapshots/1/m.gguf")
    (snapshots.parents[1].parent / "models--c--d").symlink_to(outside.parent, target_is_directory=True)
    models = tmp_path / ".ollama/models"
    blob = ollama(models, "registry.ollama.ai/library/m/1", DIGEST)
    blob.unlink()
    blob.symlink_to(outside)

    assert [] == names(tmp_path)


@pytest.mark.parametrize("linked", ["blobs", "snapshots"])
def test_the_hubs_own_folders_are_no_links(tmp_path: Path, linked: str) -> None:
    link = hub(tmp_path, "a--b", "m.gguf")
    folder = link.parents[2] / linked
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    write(tmp_path / "elsewhere/0123abc/n.gguf")

    assert [] == names(tmp_path)


def test_a_first_part_that_leads_out_is_not_read_for_the_second(tmp_path: Path) -> None:
    second = hub(tmp_path, "a--b", "m-00002-of-00002.gguf")
    second.with_name("m-00001-of-00002.gguf").symlink_to(write(tmp_path / "private/m.gguf"))

    assert [] == names(tmp_path)


@pytest.mark.parametrize("linked", ["blobs", "manifests"])
def test_ollamas_own_folders_are_no_links(tmp_path: Path, linked: str) -> None:
    folder = tmp_path / ".ollama/models" / linked
    ollama(folder.parent, "registry.ollama.ai/library/m/1", DIGEST)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere", target_is_directory=True)

    assert [] == names(tmp_path)


def test_a_hub_file_in_a_folder_is_found(tmp_path: Path) -> None:
    hub(tmp_path, "a--b", "Q4/m.gguf")

    assert [("m", "Hugging Face")] == names(tmp_path)


def test_deeper_folders_are_not_searched(tmp_path: Path) -> None:
    write(tmp_path / ".cache/llama.cpp/deep/m.gguf")
    write(tmp_path / ".lmstudio/models/a/b/c/m.gguf")

    assert [] == names(tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "file"),
    [
        ("OLLAMA_MODELS", "/disk/ollama", None),
        ("LLAMA_CACHE", "/disk/llama", "llama/m.gguf"),
        ("XDG_CACHE_HOME", "/disk", "llama.cpp/m.gguf"),
        ("HF_HOME", "/disk/hf", "hf/hub/models--a--b/snapshots/1/m.gguf"),
        ("HF_HUB_CACHE", "/disk/hub", "hub/models--a--b/snapshots/1/m.gguf"),
        ("LLAMA_CACHE", "~/disk/llama", "llama/m.gguf"),
    ],
)
def test_the_programs_own_variables_say_where(tmp_path: Path, variable: str, value: str, file: str | None) -> None:
    disk = tmp_path / "disk"
    if file is None:
        ollama(disk / "ollama", "registry.ollama.ai/library/m/1", DIGEST)
    else:
        write(disk / file)

    value = value if value.startswith("~") else f"{tmp_path}{value}"

    assert 1 == len(names(tmp_path, **{variable: value}))
    assert [] == names(tmp_path)


@pytest.mark.parametrize("value", ["", " ", "models", ".."])
def test_a_variable_that_names_no_whole_path_counts_for_nothing(tmp_path: Path, value: str) -> None:
    write(tmp_path / ".cache/llama.cpp/m.gguf")

    assert [("m", "llama.cpp")] == names(tmp_path, LLAMA_CACHE=value, XDG_CACHE_HOME=value, OLLAMA_MODELS=value)


def test_on_macos_llama_cpp_keeps_them_in_the_library(tmp_path: Path) -> None:
    write(tmp_path / "Library/Caches/llama.cpp/m.gguf")
    places = folders({"HOME": str(tmp_path)}, "darwin")

    assert ["m"] == [model.name for model in find_models(places, limits())]


def test_a_fresh_computer_has_none(tmp_path: Path) -> None:
    assert [] == names(tmp_path)


def test_count_and_time_are_bounded(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f".lmstudio/models/p/m{number:02}/m{number:02}.gguf")
    places = folders({"HOME": str(tmp_path)}, "linux")

    some = find_models(places, replace(limits(), entries=35))

    assert 0 < len(some) < 20
    assert [] == find_models(places, replace(limits(), deadline=0))
    assert 20 == len(find_models(places, limits()))


WATCHED = """
import sys
seen = []
def hook(event, arguments):
    if event in ("open", "os.listdir", "os.scandir"):
        seen.append(str(arguments[0]))
sys.addaudithook(hook)
import asyncio, json, os
from tui_chat.local import LlamaCpp
seen.clear()
models = asyncio.run(LlamaCpp(os.environ).find())
home = os.environ["HOME"]
print(json.dumps({"models": [model.name for model in models], "seen": [p for p in seen if p.startswith(home)]}))
"""


def test_nothing_but_models_in_the_named_folders_is_opened(tmp_path: Path) -> None:
    ollama(tmp_path / ".ollama/models", "registry.ollama.ai/library/m/1", DIGEST)
    write(tmp_path / ".cache/llama.cpp/m.gguf")
    hub(tmp_path, "a--b", "m.gguf", blob="1")
    write(tmp_path / ".lmstudio/models/p/m/m.gguf")
    for bait in (
        *("m.gguf", "Documents/m.gguf", ".ssh/id_ed25519", ".ollama/id_ed25519", ".ollama/history"),
        *(".cache/huggingface/token", ".cache/huggingface/hub/m.gguf", ".cache/huggingface/hub/datasets--a/m.gguf"),
        *(".cache/huggingface/hub/models--a--b/refs/main", ".cache/llama.cpp/m.json", ".lmstudio/models/p/m/notes.md"),
        *(".lmstudio/conversations/1.json", ".cache/lm-studio/conversations/1.json", f".ollama/models/blobs/{OTHER}"),
        *(".cache/m.gguf", ".cache/huggingface/hub/models--a--b/blobs/2"),
    ):
        write(tmp_path / bait)

    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    watched = [sys.executable, "-c", WATCHED]
    done = subprocess.run(watched, env=environment, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)

    models, studio, repository = ".ollama/models", ".lmstudio/models", ".cache/huggingface/hub/models--a--b"
    manifest = "manifests/registry.ollama.ai/library/m"
    opened = [
        *(
            f"{models}/manifests",
            f"{models}/manifests/registry.ollama.ai",
            f"{models}/manifests/registry.ollama.ai/library",
        ),
        *(f"{models}/{manifest}", f"{models}/{manifest}/1", f"{models}/blobs/sha256-{DIGEST}"),
        *(".cache/llama.cpp", ".cache/llama.cpp/m.gguf"),
        *(studio, f"{studio}/p", f"{studio}/p/m", f"{studio}/p/m/m.gguf", ".cache/lm-studio/models"),
        *(".cache/huggingface/hub", f"{repository}/snapshots", f"{repository}/snapshots/0123abc"),
        f"{repository}/snapshots/0123abc/m.gguf",
    ]
    assert ["m", "m", "m", "m:1"] == told["models"]
    assert sorted(opened) == sorted({path.removeprefix(f"{tmp_path}/") for path in told["seen"]})
