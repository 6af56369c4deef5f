"""What Crannog writes to run itself: manifests a cluster accepts, a unit systemd accepts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
VALIDATE = str(Path(sys.executable).parent / "kubernetes-validate")


@pytest.fixture(scope="module")
def rendered(crannog, tmp_path_factory) -> Path:
    """The manifests as `crannog k8s render` prints them; it needs no server and no data directory."""
    done = subprocess.run([str(crannog), "k8s", "render"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    path = tmp_path_factory.mktemp("k8s") / "crannog.yaml"
    path.write_text(done.stdout)
    return path


@pytest.mark.parametrize("version", ["1.25", "1.28", "1.31", "1.34", "1.37"])
def test_every_resource_is_valid_to_the_letter(rendered, version):
    command = [VALIDATE, "--strict", "--kubernetes-version", version, str(rendered)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for resource in ("namespace/", "secret/", "persistentvolumeclaim/", "statefulset/", "service/"):
        assert f"passed for resource {resource}crannog" in said, said


def test_the_pod_is_confined_limited_and_probed(rendered, crannog):
    resources = {one["kind"]: one for one in yaml.safe_load_all(rendered.read_text())}
    version = subprocess.run([str(crannog), "version"], capture_output=True, text=True).stdout.split()[1]
    pod = resources["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"].endswith(f":{version}") and container["imagePullPolicy"] in ("Never", "IfNotPresent")
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]
    assert pod["automountServiceAccountToken"] is False
    confined = pod["securityContext"] | container["securityContext"]
    assert confined["runAsNonRoot"] is True and confined["readOnlyRootFilesystem"] is True
    assert confined["allowPrivilegeEscalation"] is False
    assert confined["capabilities"] == {"drop": ["ALL"]}
    assert confined["seccompProfile"] == {"type": "RuntimeDefault"}
    password = resources["Secret"]["stringData"]["password"]
    assert isinstance(password, str) and len(password) >= 20


def test_backups_go_to_a_claim_that_is_named(crannog, tmp_path):
    command = [str(crannog), "k8s", "render", "--backup-claim", "nas"]
    path = tmp_path / "crannog.yaml"
    path.write_text(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    subprocess.run([VALIDATE, "--strict", "--kubernetes-version", "1.34", str(path)], check=True, timeout=120)
    resources = {one["kind"]: one for one in yaml.safe_load_all(path.read_text())}
    pod = resources["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "backup"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "backup"]
    (folder,) = [one["value"] for one in container["env"] if one["name"] == "CRANNOG_BACKUP_DIR"]
    assert volume["persistentVolumeClaim"]["claimName"] == "nas" and folder.startswith(mount["mountPath"] + "/")


def test_two_renderings_share_no_password(rendered, crannog):
    again = subprocess.run([str(crannog), "k8s", "render"], capture_output=True, text=True, timeout=60)
    first = next(line for line in rendered.read_text().splitlines() if "password:" in line)
    assert first not in again.stdout


@pytest.fixture
def unit(crannog, tmp_path) -> Path:
    """The unit with this build in the place of the installed one, which need not be there."""
    text = (REPOSITORY / "packaging/systemd/crannog.service").read_text()
    assert "ExecStart=/usr/local/bin/crannog serve" in text
    path = tmp_path / "crannog.service"
    path.write_text(text.replace("/usr/local/bin/crannog", str(crannog)))
    return path


needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@needs_systemd
def test_the_unit_verifies_without_a_word(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_the_unit_is_exposed_at_most_by_one_and_a_half(unit):
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-400:] + done.stderr
