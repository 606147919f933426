"""What a model needs beside Python: names for building an image, exact versions for the deliverable.

No torch_npu and no CANN, which a platform supplies together, and no Python.
"""

from __future__ import annotations

from npu_deliver.environment.image import Image
from npu_deliver.environment.needed_packages import SERVER, needed, package_key
from npu_deliver.errors import SpecError
from npu_deliver.spec.profiles import PLATFORM_SUPPLIES
from npu_deliver.spec.spec import DETECTION_TASKS, Spec


def names(spec: Spec) -> tuple[str, ...]:
    """The packages that the deliverable's scripts import, without versions.

    Raises:
        SpecError: the spec requires what the platform supplies.
    """
    evaluators = spec.dataset is not None and spec.task in DETECTION_TASKS
    wanted = needed(spec.adapter, spec.requirements, evaluators=evaluators)
    for name in wanted:
        if package_key(name) in PLATFORM_SUPPLIES:
            raise SpecError(
                f"'{name}' may not be required: the platform supplies it", where="requirements", fix="leave it out"
            )
    return wanted


def pinned(spec: Spec, image: Image) -> str:
    """The text of requirements.txt: what a stranger installs to run the folder, in exactly the versions of this run.

    Raises:
        SpecError: a package is not in the environment, or is none that may be required.
    """
    lines = []
    for name in names(spec):
        version = image.packages.get(package_key(name))
        if version is None:
            fix = f"pip install {name}, or run `make setup`"
            raise SpecError(f"the package '{name}' is not installed in {image.python}", where="requirements", fix=fix)
        lines.append(f"{name}=={version.partition('+')[0]}")  # a local label (+cpu) names a build, which no index knows
    if spec.serve and SERVER.partition("==")[0] not in map(package_key, names(spec)):
        lines.append(SERVER)
    return "\n".join(lines) + "\n"
