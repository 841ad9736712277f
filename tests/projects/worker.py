"""Works on a project until it is killed: applies to all, accepts, takes back; says on standard output what it did."""

from __future__ import annotations

import random
import sys
from itertools import count

from knnclip.projects import Project

from .samples import half, open_segmenter


def main() -> None:
    store, folder, seed = sys.argv[1:]
    chance = random.Random(seed)
    with open_segmenter(store) as segmenter, Project.open(segmenter, folder) as project:
        pictures = [item.picture_id for item in project.pictures()]
        project.start()
        project.wait()
        sys.stdout.write("begins\n")
        sys.stdout.flush()
        for number in count():
            picture_id = chance.choice(pictures)
            if project.picture(picture_id).state == "checked":
                project.unaccept(picture_id)
                act = "took back"
            else:
                project.accept(picture_id)
                act = "accepted"
            sys.stdout.write(f"{act} {picture_id}\n")
            sys.stdout.flush()
            if number % 4 == 0:
                segmenter.teach(project.analysis(picture_id), half(top=number % 8 == 0), "grass")
            project.start(first=[picture_id])


if __name__ == "__main__":
    main()
