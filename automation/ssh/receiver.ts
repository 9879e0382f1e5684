/**
 * The node's side of an upload: one Python program (standard library only), given to `python3 -c`, that reads a tar
 * stream, proves it against the manifest that travels first in it, and only then puts it in place.
 *
 * Arguments: upload root, folder of the deployment's records, payload digest.
 * It answers one line of JSON before it reads (`ready`, `unchanged`,
 * `started` or `refused`) and one after (`stored` or `broken`).
 * The upload root's presence of `manifest.json` says "complete": it goes first when an older payload is replaced and
 * comes last when a new one is in place. Whatever an interrupted upload left lies under `.incoming` and goes with the
 * next one, and so does what one still has there that waits on a lost connection: of several, the last to begin counts.
 */
export const receiver = String.raw`
import contextlib, fcntl, hashlib, json, os, shutil, sys, tarfile, tempfile

root, records, digest = sys.argv[1:4]
incoming = os.path.join(root, ".incoming")
marker = os.path.join(root, "manifest.json")

def say(state, **more):
    print(json.dumps(dict(state=state, **more)), flush=True)

def digest_in(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file).get("digest")
    except (OSError, ValueError):
        return None

def started():
    if os.path.exists(os.path.join(records, "deployment-complete.json")):
        return True
    steps = os.path.join(records, "steps")
    return os.path.isdir(steps) and len(os.listdir(steps)) > 0

def receive(stream, staging):
    """Unpacks into staging what the manifest names and returns a list of all that differs from it."""
    problems, seen, wanted, manifest = [], set(), {}, None
    for member in stream:
        path = os.path.normpath(member.name)
        place = os.path.join(staging, path)
        if manifest is None:
            if path != "manifest.json":
                return ["the stream does not begin with manifest.json"]
            text = stream.extractfile(member).read()
            manifest = json.loads(text)
            wanted = {entry["path"]: entry for entry in manifest["entries"]}
            if manifest["digest"] != digest:
                return ["the manifest has another digest than announced"]
            with open(place, "wb") as file:
                file.write(text)
            os.chmod(place, 0o644)
            continue
        entry = wanted.get(path)
        if entry is None or path in seen:
            problems.append(path + ": not in the manifest, or twice in the stream")
            continue
        seen.add(path)
        kind = "directory" if member.isdir() else "link" if member.issym() else "file" if member.isreg() else "other"
        if kind != entry["type"]:
            problems.append(path + ": is a " + kind + ", not a " + entry["type"])
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if kind == "directory":
            os.makedirs(place, exist_ok=True)
        elif kind == "link":
            if member.linkname != entry["target"]:
                problems.append(path + ": links to " + member.linkname)
            else:
                os.symlink(member.linkname, place)
        else:
            source, hasher, size = stream.extractfile(member), hashlib.sha256(), 0
            with open(place, "xb") as file:
                for chunk in iter(lambda: source.read(1 << 20), b""):
                    hasher.update(chunk)
                    size += len(chunk)
                    file.write(chunk)
            os.chmod(place, int(entry["mode"], 8))
            if size != entry["size"]:
                problems.append("%s: %d bytes, not %d" % (path, size, entry["size"]))
            elif hasher.hexdigest() != entry["sha256"]:
                problems.append(path + ": its sha256 differs")
    if manifest is None:
        return ["the stream is empty"]
    problems += [path + ": did not arrive" for path in sorted(set(wanted) - seen)]
    # Deepest first: a directory without write permission must not hinder its own contents.
    for path in sorted((p for p in seen if wanted[p]["type"] == "directory"), reverse=True):
        os.chmod(os.path.join(staging, path), int(wanted[path]["mode"], 8))
    return problems

@contextlib.contextmanager
def alone():
    """For the short moments in which two receivers would be in each other's way."""
    held = os.open(root, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)

def put_in_place(staging, old):
    if not os.path.isdir(staging):
        raise OSError("a later upload has taken this one's place")
    os.mkdir(old)
    if os.path.exists(marker):
        os.rename(marker, os.path.join(old, "manifest.json"))
    for name in os.listdir(root):
        if name != ".incoming":
            os.rename(os.path.join(root, name), os.path.join(old, name))
    for name in os.listdir(staging):
        if name != "manifest.json":
            os.rename(os.path.join(staging, name), os.path.join(root, name))
    os.rename(os.path.join(staging, "manifest.json"), marker)

def main():
    try:
        begun = started()
    except OSError as error:
        say("refused", reason="the records of a deployment cannot be read: %s" % error)
        return 1
    if digest_in(marker) == digest:
        say("unchanged")
        return 0
    if begun:
        say("started", reason="its deployment has started, and a configured node is never changed")
        return 1
    try:
        os.makedirs(root, exist_ok=True)
        with alone():
            shutil.rmtree(incoming, ignore_errors=True)
            os.mkdir(incoming)
            own = tempfile.mkdtemp(prefix="upload-", dir=incoming)
        staging = os.path.join(own, "new")
        os.mkdir(staging)
    except OSError as error:
        say("refused", reason="%s cannot be written: %s" % (root, error))
        return 1
    say("ready")
    try:
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as stream:
            problems = receive(stream, staging)
        if problems:
            say("broken", problems=problems)
            return 1
        with alone():
            put_in_place(staging, os.path.join(own, "old"))
        say("stored")
        return 0
    except (tarfile.TarError, OSError, ValueError, KeyError, EOFError) as error:
        say("broken", problems=["%s: %s" % (type(error).__name__, error)])
        return 1
    finally:
        # Its own alone: a node may notice a lost connection only when the next upload is under way.
        shutil.rmtree(own, ignore_errors=True)
        with contextlib.suppress(OSError), alone():
            os.rmdir(incoming)

sys.exit(main())
`;
