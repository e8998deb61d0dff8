import os
from pathlib import Path

import pytest

from stractory.errors import AuthError
from stractory.proof import keys


def test_a_missing_key_is_made_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cluster.key"
    caplog.set_level("INFO")
    made = keys.load(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    again = keys.load(path, create=True)
    assert made.keys[0].secret == again.keys[0].secret
    keys.write_new(path)  # another first start, at the same time
    assert keys.load(path).keys[0].secret == made.keys[0].secret
    assert [file.name for file in path.parent.iterdir()] == ["cluster.key"]
    assert caplog.messages == [f"made a new key at {path}: who has another does not get in"]


def test_only_the_folder_of_a_default_path_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mistyped = tmp_path / "nowhere" / "cluster.key"
    with pytest.raises(AuthError, match=f"no key file at {mistyped}.*there is no folder {mistyped.parent}$"):
        keys.load(mistyped, create=True)
    assert not mistyped.parent.exists()
    monkeypatch.delenv("STRACTORY_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert keys.load(keys.default_path(), create=True).path.exists()


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=f"cannot use the key file {tmp_path}: Is a directory$"):
        keys.load(tmp_path)


def test_a_missing_key_that_may_not_be_made(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=r"^no key file at .*stractory-keygen --out FILE does"):
        keys.load(tmp_path / "cluster.key")


def test_a_file_that_a_variable_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRACTORY_KEY_FILE", str(tmp_path / "cluster.key"))
    for path in (None, tmp_path / "cluster.key"):  # which is how daemons name it
        with pytest.raises(AuthError, match=r"^STRACTORY_KEY_FILE: no key file at"):
            keys.load(path)
    with pytest.raises(AuthError, match=r"^no key file at"):
        keys.load(tmp_path / "other.key")


def test_a_ring_in_words(tmp_path: Path) -> None:
    path = tmp_path / "cluster.key"
    master, node = (
        keys.Key("35809d59", keys.MASTER, "*", b"", path),
        keys.Key("1a2b", keys.NODE, "pool1", b"", path),
    )
    assert str(keys.KeyRing([master, node], path, ["bob"])) == (
        f"{path}: 35809d59 master, 1a2b node pool1; revoked: bob"
    )
    assert str(keys.KeyRing([node], path)) == f"{path}: 1a2b node pool1"


@pytest.mark.parametrize("role", keys.ROLES)
def test_a_registry_needs_a_master_key(tmp_path: Path, role: str) -> None:
    path = tmp_path / "cluster.key"
    ring = keys.load(path, create=True, of_registry=True)
    derived = ring.keys[0].derive(role, "alice").as_line()
    rewrite(path, derived)
    with pytest.raises(
        AuthError, match=f"the key in {path} is for the role {role}; a registry needs the master"
    ):
        keys.load(path, of_registry=True)
    with pytest.raises(AuthError, match="a registry needs the master key"):
        ring.read_again()
    assert ring.credential(keys.NODE)  # it stayed as it was
    rewrite(path, derived, ring.keys[0].as_line())
    ring.read_again()
    assert len(ring.keys) == 2


def test_the_default_is_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STRACTORY_KEY_FILE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    own = tmp_path / ".config/stractory/cluster.key"
    own.parent.mkdir(parents=True)
    own.touch()
    assert keys.default_path() == own
    monkeypatch.setenv("STRACTORY_KEY_FILE", "another.key")
    assert keys.default_path() == Path("another.key")


def test_a_home_that_is_not_the_users_own_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRACTORY_KEY_FILE", raising=False)
    monkeypatch.delenv("HOME")
    by_database = keys.default_path()
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert keys.default_path() == by_database
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(tmp_path).st_uid + 1)
    assert tmp_path not in keys.default_path().parents


def test_a_ring_knows_its_file_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert keys.load(Path("cluster.key"), create=True).path == tmp_path / "cluster.key"


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cluster.key"
    keys.load(path, create=True)
    path.chmod(0o640)
    with pytest.raises(
        AuthError, match=rf"^the key file {path} can be used by others \(mode 640\): chmod 600 {path}$"
    ):
        keys.load(path)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    keys.load(tmp_path / "real.key", create=True)
    (tmp_path / "cluster.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(AuthError, match=r"cluster\.key: it is a symbolic link; name the file itself$"):
        keys.load(tmp_path / "cluster.key")


@pytest.mark.parametrize(
    "line",
    [
        *("", "# only a comment", "garbage", "stractory-key-v1 id king * AAAA"),
        *("stractory-key-v1 id master * !", "stractory-key-v1 id master * ü"),
    ],
)
def test_a_file_without_a_good_key_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cluster.key"
    path.write_text(line + "\n")
    path.chmod(0o600)
    with pytest.raises(AuthError, match=r"cluster\.key"):
        keys.load(path)


def test_nothing_is_derived_from_a_derived_key(tmp_path: Path) -> None:
    client = keys.load(tmp_path / "cluster.key", create=True).credential(keys.CLIENT)
    with pytest.raises(ValueError, match="the role client"):
        client.derive(keys.OPERATOR, "x")


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    ring = keys.load(tmp_path / "cluster.key", create=True)
    derived = ring.credential(keys.OPERATOR)
    for shown in (repr(ring), repr(ring.keys[0]), repr(derived)):
        assert ring.keys[0].secret.hex() not in shown and repr(derived.secret) not in shown


def test_derived_keys_differ_by_role_and_name(tmp_path: Path) -> None:
    master = keys.load(tmp_path / "cluster.key", create=True).keys[0]
    secrets = {master.derive(role, name).secret for role in keys.ROLES for name in ("alice", "bob", "")} | {
        master.secret
    }
    assert len(secrets) == 10


def test_a_derived_key_stands_for_its_own_role_only(tmp_path: Path) -> None:
    master = keys.load(tmp_path / "cluster.key", create=True).keys[0]
    alice = master.derive(keys.CLIENT, "alice")
    ring = keys.KeyRing([alice], tmp_path)
    assert ring.credential(keys.OPERATOR, keys.CLIENT) is alice
    assert ring.find(alice.id, keys.CLIENT, "alice") is alice
    assert ring.find(alice.id, keys.OPERATOR, "alice") is None
    with pytest.raises(AuthError, match="role client"):
        ring.credential(keys.NODE)


def rewrite(path: Path, *lines: str) -> None:
    path.write_text("".join(lines))
    path.chmod(0o600)


def test_a_revoked_name_has_no_key(tmp_path: Path) -> None:
    path = tmp_path / "cluster.key"
    master = keys.load(path, create=True).keys[0]
    alone = master.derive(keys.CLIENT, "mallory")
    rewrite(path, master.as_line(), alone.as_line(), "stractory-revoked-v1 mallory\n")
    ring = keys.load(path)
    assert ring.revoked == {"mallory"}
    for role in keys.ROLES:
        assert ring.find(master.id, role, "mallory") is None
        assert ring.find(master.id, role, "alice") is not None
    rewrite(path, alone.as_line(), "stractory-revoked-v1 mallory\n")
    with pytest.raises(AuthError, match=f"the name mallory is revoked in {path}"):
        keys.load(path).credential(keys.CLIENT)


@pytest.mark.parametrize("line", ["stractory-revoked-v1", "stractory-revoked-v1 two words"])
def test_a_line_that_revokes_has_one_name(tmp_path: Path, line: str) -> None:
    path = tmp_path / "cluster.key"
    keys.load(path, create=True)
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(AuthError, match=rf"{path}:2: .*stractory-revoked-v1 NAME"):
        keys.load(path)


def test_a_file_is_read_again_in_place(tmp_path: Path) -> None:
    path = tmp_path / "cluster.key"
    ring = keys.load(path, create=True)
    old, new = ring.keys[0], keys.Key.new_master(path)
    rewrite(path, new.as_line(), old.as_line(), "stractory-revoked-v1 mallory\n")
    ring.read_again()
    assert ring.credential(keys.CLIENT).id == new.id and ring.revoked == {"mallory"}
    assert ring.find(old.id, keys.CLIENT, "alice") and ring.find(new.id, keys.CLIENT, "alice")
    for broken in ("", new.as_line() + "garbage\n", "stractory-revoked-v1 alice\n"):
        rewrite(path, broken)
        with pytest.raises(AuthError):
            ring.read_again()
        assert [key.id for key in ring.keys] == [new.id, old.id] and ring.revoked == {"mallory"}
