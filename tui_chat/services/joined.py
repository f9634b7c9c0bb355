"""Joins the services on the concrete parts that they stand on. Imported with all of them, behind the first paint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tui_chat.core.local import LocalModels
from tui_chat.core.ports import ConversationStore, Exporter, Files, Importer, Providers, Recall
from tui_chat.core.settings import GUIDE_MODEL, Settings
from tui_chat.services.chat import ChatService
from tui_chat.services.endpoints import EndpointService
from tui_chat.services.files import FileService
from tui_chat.services.guard import GuardService
from tui_chat.services.library import LibraryService
from tui_chat.services.local_models import LocalModelService
from tui_chat.services.planning import PlanningService
from tui_chat.services.program import Keys, Services
from tui_chat.services.recalling import RecallService
from tui_chat.services.spending import SpendingService
from tui_chat.services.summaries import SummaryService
from tui_chat.services.transfer import TransferService


@dataclass(frozen=True, slots=True)
class Rim:
    """One concrete part for each port; those given as functions are made by who first needs them."""

    store: ConversationStore
    keys: Keys
    providers: Providers
    local_models: Callable[[], LocalModels]
    recall: Callable[[], Recall]
    files: Files
    exporters: Sequence[Exporter]
    importers: Sequence[Importer]


def join(
    rim: Rim,
    *,
    settings: Callable[[], Settings],
    save: Callable[[Settings], None],
    environment: Mapping[str, str],
    interactive: bool,
    generator: str,
) -> Services:
    """Everything that works on one open history; ``interactive`` where a person can be asked."""
    store = rim.store
    local = LocalModelService(rim.local_models, store)
    endpoints = EndpointService(
        rim.providers, store, settings, save, environment, asks_consent=interactive, local=local
    )
    spending = SpendingService(store, settings, endpoints)
    summaries = SummaryService(store, endpoints, spending=spending)
    recall = RecallService(store, rim.recall)
    fallback = GUIDE_MODEL if interactive else None
    planning = PlanningService(store, endpoints, settings, recall=recall, summaries=summaries, fallback_model=fallback)
    return Services(
        chat=ChatService(store, endpoints, planning, spending),
        planning=planning,
        library=LibraryService(store),
        endpoints=endpoints,
        transfer=TransferService(store, exporters=rim.exporters, importers=rim.importers, generator=generator),
        files=FileService(rim.files),
        spending=spending,
        summaries=summaries,
        recall=recall,
        local=local,
        guard=GuardService(store, endpoints, settings),
        keys=rim.keys,
    )
