"""Settings: where they come from, and that each mistake is one clear line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from homestow.server.settings import DataFolder, Secret, Settings, load, parse_address
from homestow.values.errors import BadSettings, StorageFailed, StoreLocked


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "homestow.toml"
    path.write_text(text, "utf-8")
    path.chmod(mode)
    return path


def test_defaults_are_those_the_guide_states(tmp_path: Path) -> None:
    """A data folder without a settings file gives the documented defaults."""
    found = load(tmp_path, {}, {})

    assert found == Settings()
    assert (found.http, found.signup, found.allow_plain, found.quota) == ("127.0.0.1:5000", False, False, 0)
    assert (found.versions_all_days, found.versions_daily_days, found.trash_days) == (1, 30, 30)


def test_a_flag_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    """The nearest source wins, name by name."""
    write(tmp_path, 'trash_days = 3\nquota = 5\nlog_level = "debug"\n')

    found = load(
        tmp_path, {"HOMESTOW_TRASH_DAYS": "4", "HOMESTOW_QUOTA": "6", "OTHER": "x"}, {"quota": 7, "http": None}
    )

    assert (found.trash_days, found.quota, found.log_level, found.http) == (4, 7, "debug", "127.0.0.1:5000")


def test_lists_and_switches_come_from_the_environment_too(tmp_path: Path) -> None:
    """Each type has its form in the environment."""
    found = load(tmp_path, {"HOMESTOW_SIGNUP": "yes", "HOMESTOW_TRUSTED_PROXIES": "10.0.0.1, 10.0.0.2"}, {})

    assert found.signup
    assert found.trusted_proxies == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    "text",
    [
        "netdrive_open_root = 'Open'\npicloud = ':46000'\npicloud_inbox_root = 'In'\npicloud_login_seconds = 5\n",
        "[netdrive]\nopen_root = 'Open'\n[picloud]\naddress = ':46000'\ninbox_root = 'In'\nlogin_seconds = 5\n",
        "netdrive.open_root = 'Open'\npicloud = {address = ':46000', inbox_root = 'In', login_seconds = 5}\n",
    ],
)
def test_a_front_has_its_settings_flat_or_in_a_table(tmp_path: Path, text: str) -> None:
    """All forms mean the same, and the environment beats them by the whole name."""
    write(tmp_path, text)

    found = load(tmp_path, {"HOMESTOW_PICLOUD_INBOX_ROOT": "Other"}, {})

    assert (found.netdrive, found.netdrive_open_root) == (None, "Open")
    assert (found.picloud, found.picloud_inbox_root, found.picloud_login_seconds) == (":46000", "Other", 5)
    assert not found.picloud_current_user


@pytest.mark.parametrize(
    "text,wanted",
    [
        ("trash_days = 1\nhtpp = ':1'\n", "homestow.toml:2: there is no setting 'htpp'; did you mean 'http'?"),
        ("\n\ntrash_days = 'x'\n", "homestow.toml:3: trash_days is a whole number from 0 to 36500, not 'x'."),
        ("trash_days = -1\n", "homestow.toml:1: trash_days is a whole number from 0 to 36500, not -1."),
        ("signup = 1\n", "homestow.toml:1: signup is true or false, not 1."),
        ("http = \n", "homestow.toml:1: Invalid value (column 8); correct it there."),
        ("[server]\nhttp = ':1'\n", "homestow.toml:1: there is no setting 'server'; the settings are "),
        ("[netdrive]\n\nopen_rot = 'x'\n", "homestow.toml:3: there is no setting 'netdrive_open_rot'; did you mean"),
        (
            "[picloud]\nlogin_seconds = 0\n",
            "homestow.toml:2: picloud_login_seconds is a whole number of seconds from 1",
        ),
        ("picloud.login_seconds = 0\n", "homestow.toml:1: picloud_login_seconds is a whole number of seconds from 1"),
        ("\n[picloud]\ncurrent_user = 1\n", "homestow.toml:3: picloud_current_user is true or false, not 1."),
        ("signup = true\n[netdrive]\nsignup = true\n", "homestow.toml:3: there is no setting 'netdrive_signup'"),
        (
            "netdrive_open_root = 'a'\n[netdrive]\nopen_root = 'b'\n",
            "homestow.toml:3: netdrive_open_root is given twice",
        ),
        ("[http]\naddress = ':1'\n", "homestow.toml:1: http is text, not {'address': ':1'}."),
        ("[picloud]\naddress = 'nowhere'\n", "picloud: 'nowhere' is not HOST:PORT"),
        ("http = 'nowhere'\n", "http: 'nowhere' is not HOST:PORT"),
        ("http = 'a:70000'\n", "http: 'a:70000' is not HOST:PORT"),
        ("tls_cert = '/a'\n", "tls_cert and tls_key belong together; give both or neither."),
        ("tls_cert = '/no/a'\ntls_key = '/no/b'\n", "/no/a cannot be read: No such file or directory."),
        ("public_url = 'example.org'\n", "public_url 'example.org' does not begin with http:// or https://."),
        ("log_level = 'loud'\n", "log_level is debug, info, warning or error, not 'loud'."),
        ("backup_key = 'short'\n", "backup_key has fewer than 16 characters"),
        ("versions_all_days = 40\n", "versions_daily_days counts from the same moment"),
    ],
)
def test_each_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, wanted: str) -> None:
    """The message names file and line, what is wrong and what would be right."""
    write(tmp_path, text)

    with pytest.raises(BadSettings) as failed:
        load(tmp_path, {}, {})

    assert wanted in failed.value.message
    assert "\n" not in failed.value.message


def test_a_wrong_environment_value_names_the_variable(tmp_path: Path) -> None:
    """The message says which variable to correct."""
    with pytest.raises(BadSettings, match="HOMESTOW_TRASH_DAYS: trash_days is a whole number"):
        load(tmp_path, {"HOMESTOW_TRASH_DAYS": "soon"}, {})


def test_a_file_that_is_no_text_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Binary rubbish and a folder in the file's place are told apart."""
    (tmp_path / "homestow.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadSettings, match="not UTF-8"):
        load(tmp_path, {}, {})
    (tmp_path / "homestow.toml").unlink()
    (tmp_path / "homestow.toml").mkdir()
    with pytest.raises(BadSettings, match="cannot be read: Is a directory"):
        load(tmp_path, {}, {})


def test_a_secret_in_a_file_open_to_others_is_refused(tmp_path: Path) -> None:
    """S103: a settings file with a secret must be 0600; one without may be read by anybody."""
    path = write(tmp_path, "backup_key = 'correct horse battery'\n", 0o644)
    with pytest.raises(BadSettings, match=f"chmod 600 {path}"):
        load(tmp_path, {}, {})
    path.chmod(0o600)
    found = load(tmp_path, {}, {})
    assert found.backup_key is not None
    assert found.backup_key.reveal() == "correct horse battery"
    write(tmp_path, "trash_days = 1\n", 0o644)
    assert load(tmp_path, {}, {}).trash_days == 1


def test_a_private_key_open_to_others_is_refused(tmp_path: Path) -> None:
    """S103: the TLS key is a secret as well."""
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_text("")
    key.write_text("")
    key.chmod(0o644)
    with pytest.raises(BadSettings, match=f"chmod 600 {key}"):
        load(tmp_path, {}, {"tls_cert": str(cert), "tls_key": str(key)})
    key.chmod(0o600)
    assert load(tmp_path, {}, {"tls_cert": str(cert), "tls_key": str(key)}).tls_key == str(key)


def test_a_secret_never_shows_itself(tmp_path: Path) -> None:
    """S97: neither text, format nor the dump of the settings has it."""
    write(tmp_path, "backup_key = 'correct horse battery'\n")
    found = load(tmp_path, {}, {})

    assert "horse" not in f"{found} {found.backup_key} {found.backup_key!r} {[Secret('horse')]}"
    with pytest.raises(BadSettings) as failed:
        load(tmp_path, {}, {"backup_key": 123456})
    assert "123456" not in failed.value.message


@pytest.mark.parametrize(
    "text,wanted",
    [
        (":0", ("127.0.0.1", 0)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:5000", ("::1", 5000)),
        ("h:65535", ("h", 65535)),
    ],
)
def test_addresses(text: str, wanted: tuple[str, int]) -> None:
    """HOST:PORT, :PORT and bracketed IPv6 are read."""
    assert parse_address(text) == wanted


@pytest.mark.parametrize("text", ["", "5000", "h:", "h:-1", "h:65536", "::1:5000", "h:٥", "h:5000 "])
def test_other_addresses_are_refused(text: str) -> None:
    """Everything else is told with the form that works."""
    with pytest.raises(BadSettings, match="HOST:PORT"):
        parse_address(text)


def test_the_data_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """S12: whatever the umask says, others cannot look in."""
    folder = DataFolder(tmp_path / "a" / "b").make()

    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.files.stat().st_mode & 0o777 == 0o700
    folder.make()


def test_a_data_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    """A file where the folder should be gives a clear error."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="file/data cannot be used: Not a directory"):
        DataFolder(tmp_path / "file" / "data").make()


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    """One process per data folder; the message has the holder's process id, and after its end the way is free."""
    folder = DataFolder(tmp_path / "data").make()
    program = (
        "import sys; from pathlib import Path; from homestow.server.settings import DataFolder\n"
        "with DataFolder(Path(sys.argv[1])).locked(): print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(folder.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked, match=f"process {other.pid} uses the data folder") as failed, folder.locked():
            pass
        assert failed.value.facts == {"pid": other.pid}
    finally:
        other.kill()
        other.communicate()
    with folder.locked():
        assert folder.lock.read_text() == f"{os.getpid()}\n"
