"""What an edit means: which models come and go, which need a new process, which only new terms."""

from __future__ import annotations

from dataclasses import dataclass, fields

from swapd.config.alike import alike
from swapd.config.pace import paced
from swapd.core.settings import Settings
from swapd.core.spec import Alias, Catalog, Cost

_FIXED = ("listen", "state_dir", "trace", "adoption")  # bound, opened or told once at start
EXECUTED = frozenset({"trace"})
"""Those of them that a daemon reads anew when it executes itself: it takes its sockets and its folder along."""
_OF_CATALOG = frozenset({"budget", "scheduling", "default_model", "pools"})


@dataclass(frozen=True, slots=True)
class Changes:
    """The difference between two configs, as sorted names. False if there is none."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    relaunched: tuple[str, ...] = ()
    """Models whose engine must be started anew."""
    retuned: tuple[str, ...] = ()
    """Models whose terms or aliases changed: that applies to the living engine."""
    needs_restart: tuple[str, ...] = ()
    """Top-level keys that only a restart of the daemon can change, or (EXECUTED) executing it anew."""
    settings: tuple[str, ...] = ()
    """Top-level keys that changed and apply at once."""

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))

    @property
    def of_catalog(self) -> bool:
        """Whether any of it is for the scheduler."""
        models = self.added or self.removed or self.relaunched or self.retuned
        return bool(models) or not _OF_CATALOG.isdisjoint(self.settings)

    def words(self) -> str:
        """The difference in one line."""
        found = {field.name.replace("_", " "): getattr(self, field.name) for field in fields(self)}
        waiting = found.pop("needs restart")
        found["in force once swapd is restarted"] = [key for key in waiting if key not in EXECUTED]
        found["in force after `swapd reload --exec`, or a restart"] = [key for key in waiting if key in EXECUTED]
        told = [f"{what}: {', '.join(names)}" for what, names in found.items() if names]
        return "; ".join(told) or "nothing changed"


def changes(old: Catalog, new: Catalog, old_settings: Settings, new_settings: Settings) -> Changes:
    """Compare two configs."""
    stayed = old.models.keys() & new.models.keys()
    touched = [name for name in paced(stayed) if old.models[name] is not new.models[name]]
    relaunched = {name for name in touched if old.models[name].launch != new.models[name].launch}
    retuned = {name for name in paced(touched) if not alike(old.models[name].terms, new.models[name].terms)}
    retuned |= _renamed(old, new) & stayed
    edited = _edited(old, new, old_settings, new_settings)
    return Changes(
        added=tuple(sorted(new.models.keys() - old.models.keys())),
        removed=tuple(sorted(old.models.keys() - new.models.keys())),
        relaunched=tuple(sorted(relaunched)),
        retuned=tuple(sorted(retuned - relaunched)),
        needs_restart=tuple(sorted(edited & set(_FIXED))),
        settings=tuple(sorted(edited - set(_FIXED))),
    )


def _renamed(old: Catalog, new: Catalog) -> set[str]:
    """The models that gained, lost or changed an alias."""

    def edited(alias: Alias) -> bool:
        return not (alike(old.aliases.get(alias.name), alias) and alike(new.aliases.get(alias.name), alias))

    both = (*old.aliases.values(), *new.aliases.values())
    return {alias.model for alias in paced(both) if edited(alias)}


def _given(catalog: Catalog) -> tuple[Cost, int | None, bool]:
    """What the ``budget`` section says."""
    return catalog.budget, catalog.reserve, catalog.measured


def _edited(old: Catalog, new: Catalog, old_settings: Settings, new_settings: Settings) -> set[str]:
    """The top-level keys whose values differ."""
    differ = {
        "budget": _given(old) != _given(new),
        "scheduling": old.rules != new.rules,
        "default_model": old.default_model != new.default_model,
        "pools": old.pools != new.pools,
        "admin": old_settings.admin_key != new_settings.admin_key,
        "cors": old_settings.origins != new_settings.origins,
    }
    plain = ("clients", "insecure", "hosts", "trusted_proxies", "limits", "keepalive_comments", "log", *_FIXED)
    differ |= {key: getattr(old_settings, key) != getattr(new_settings, key) for key in plain}
    return {key for key, changed in differ.items() if changed}
