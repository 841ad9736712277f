"""``knnclip doctor``: whether all is as it should be."""

from __future__ import annotations

from typing import Annotated

import typer

from knnclip.cli.common import (
    Bar,
    ClassifierOption,
    DeviceOption,
    EncoderOption,
    MasksOption,
    WeightsOption,
    printable,
)

EXIT_ILL = 1


def doctor(
    preset: Annotated[
        str | None, typer.Argument(help="The preset that shall work; else all whose weights are here.")
    ] = None,
    masks: MasksOption = None,
    encoder: EncoderOption = None,
    classifier: ClassifierOption = None,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Tell what is installed, what is missing, and whether each part gives what the library that it comes from gives.

    Every network whose weights are on this disk is run on one picture, by knnclip and by its library's own pipeline:
    wrong preprocessing, activations, norms and names show as a difference. Exit code 0 if all is well, else 1.
    """
    from knnclip.catalogue import PartOverrides
    from knnclip.doctor import environment
    from knnclip.doctor.examination import examine, networks
    from knnclip.presets import PRESETS, preset_by_name

    named = PartOverrides.read(masks=masks, encoder=encoder, classifier=classifier, weights=weights)
    asked = [named.into(preset_by_name(preset))] if preset else [named.into(each) for each in PRESETS.values()]
    _tell("versions", ", ".join(f"{name} {version}" for name, version in environment.versions()))
    _tell("device", environment.device(device))
    _tell("disk", environment.disk())
    for folder, size in environment.caches():
        _tell("cache", f"{folder}: {size}")
    well = True
    for each in asked:
        missing = [need.name for needs in networks([each]).values() for need in needs if not need.on_disk]
        if missing:
            _tell(each.name, f"{', '.join(missing)} not on this disk; run: knnclip presets fetch {each.name}")
            well = well and preset is None
        else:
            _tell(each.name, "its weights are on this disk")
    for part, needs in networks(asked).items():
        if not all(need.on_disk for need in needs):
            continue
        _tell("part", str(part))
        with Bar("class names", "names") as bar:
            for finding in examine(part, device, bar):
                verdict = "well" if finding.passed else "WRONG"
                took = f" ({finding.seconds:.1f} s)" if finding.seconds else ""
                _tell(f"  {verdict}", f"{finding.what}: {finding.found}{took}")
                well = well and finding.passed
    _tell("verdict", "all is well" if well else "something is wrong or missing, see above")
    if not well:
        raise typer.Exit(EXIT_ILL)


def _tell(about: str, text: str) -> None:
    typer.echo(printable(f"{about:<9} {text}"))
