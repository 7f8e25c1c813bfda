"""A second verifier, written from FORMAT.md alone and sharing nothing with the first: policies, checkpoints, receipts, ranges.

python3 independent.py receipt|range|checkpoint POLICY FILE [INSTITUTION FROM TO LOG]

prints the first defect's name, or `valid`; with `-` alone it reads cases from the standard input, as JSON, and answers each
"""
import base64, functools, hashlib, json, re, struct, sys

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
     0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0)
TIME_MAX = 253402300799999


class Bad(Exception):
    pass


def sm3(*parts):
    return hashlib.new("sm3", b"".join(parts)).digest()


def add(p, q):
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0] and (p[1] + q[1]) % P == 0:
        return None
    slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) if p == q else (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def times(k, p):
    total = None
    while k:
        if k & 1:
            total = add(total, p)
        p, k = add(p, p), k >> 1
    return total


@functools.lru_cache(maxsize=None)
def sm2_verify(key, message, signature):
    r, s = (int.from_bytes(signature[at:at + 32], "big") for at in (0, 32))
    x, y = (int.from_bytes(key[at:at + 32], "big") for at in (1, 33))
    t = (r + s) % N
    if not (0 < r < N and 0 < s < N) or t == 0 or x >= P or y >= P or (y * y - x * x * x - A * x - B) % P:
        return False
    user = b"1234567812345678"
    numbers = b"".join(number.to_bytes(32, "big") for number in (A, B, *G))
    z = sm3(struct.pack(">H", 8 * len(user)), user, numbers, key[1:])
    point = add(times(s, G), times(t, (x, y)))
    return point is not None and (int.from_bytes(sm3(z, message), "big") + point[0]) % N == r


def b64(text, defect):
    if not re.fullmatch(r"(?:[0-9A-Za-z+/]{4})*(?:[0-9A-Za-z+/]{2}==|[0-9A-Za-z+/]{3}=)?", text):
        raise Bad(defect)
    data = base64.b64decode(text)
    if base64.b64encode(data).decode() != text:
        raise Bad(defect)
    return data


def decimal(text, defect):
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise Bad(defect)
    return int(text)


def is_name(text):
    return re.fullmatch(r"[\x21-\x2a\x2c-\x7e]{1,255}", text) is not None


def key_of(text, algorithm):
    bad = "policyMalformed"
    name, key_id, encoded = (text.split("+", 2) + ["", ""])[:3]
    data, head = b64(encoded, bad), b"\xff" + algorithm + b"\n"
    if not is_name(name) or not data.startswith(head) or len(data) != len(head) + 65 or data[len(head)] != 4:
        raise Bad(bad)
    if key_id != sm3(name.encode() + b"\n" + data)[:4].hex():
        raise Bad(bad)
    return name, bytes.fromhex(key_id), data[len(head):]


def read_policy(data):
    bad = "policyMalformed"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Bad(bad)
    if len(data) > 262144 or text.startswith("\ufeff") or not text.endswith("\n"):
        raise Bad(bad)
    logs, witnesses, groups, quorum, members = [], [], [], None, set()
    for line in text.split("\n")[:-1]:
        line = line[:-1] if line.endswith("\r") else line
        if re.search(r"[\x00-\x1f\x7f]", line):
            raise Bad(bad)
        if line == "" or line.startswith("#"):
            continue
        word, *words = line.split(" ")
        known = [one[0] for one in witnesses] + [one[0] for one in groups]
        if word == "log" and words:
            sizes = re.fullmatch(r"([0-9]+)\.\.([0-9]*)", words[0])
            key, origins = (words[1:2], words[2:]) if sizes else (words[:1], words[1:])
            if not key or not all(map(is_name, origins)) or (sizes and len(origins) != 1):
                raise Bad(bad)
            first = decimal(sizes[1], bad) if sizes else 0
            last = decimal(sizes[2], bad) if sizes and sizes[2] else None
            if last is not None and last < first:
                raise Bad(bad)
            logs.append((*key_of(key[0], b"ronghe-sm2-sm3-v1"), origins, first, last))
        elif word == "witness" and len(words) in (2, 3) and is_name(words[0]) and words[0] not in known + ["none"]:
            if len(words) == 3 and not re.fullmatch(r"https?://[\x21-\x7e]{1,500}", words[2]):
                raise Bad(bad)
            witnesses.append((words[0], *key_of(words[1], b"ronghe-sm2-sm3-cosignature-v1")))
        elif word == "group" and len(words) > 2 and is_name(words[0]) and words[0] not in known + ["none"]:
            own = words[2:]
            k = {"any": 1, "all": len(own)}.get(words[1]) or decimal(words[1], bad)
            if not 1 <= k <= len(own) or len(set(own)) != len(own) or any(one not in known or one in members for one in own):
                raise Bad(bad)
            members.update(own)
            groups.append((words[0], k, own))
        elif word == "quorum" and quorum is None and len(words) == 1 and words[0] in known + ["none"]:
            quorum = words[0]
        else:
            raise Bad(bad)
    keys = [one[3] for one in witnesses]
    if not logs or (witnesses and quorum is None) or len(witnesses) > 64 or len(groups) > 64:
        raise Bad(bad)
    if len(set(keys)) != len(keys) or any(log[2] in keys for log in logs):
        raise Bad(bad)
    return logs, witnesses, groups, quorum


def believe(note, policy):
    """Origin, size, root, and whether the quorum has cosigned."""
    logs, witnesses, groups, quorum = policy
    if len(note.encode()) > 65536 or re.search(r"[\x00-\x09\x0b-\x1f\x7f]", note) or not note.endswith("\n") or "\n\n" not in note:
        raise Bad("noteMalformed")
    split = note.rindex("\n\n")
    text, lines = note[:split + 1], note[split + 2:-1].split("\n")
    if split < 1 or len(lines) > 64:
        raise Bad("noteMalformed")
    signatures = []
    for line in lines:
        found = re.fullmatch("\u2014 ([^ ]+) ([^ ]+)", line)
        blob = b64(found[2], "noteMalformed") if found and is_name(found[1]) else b""
        if len(blob) < 5:
            raise Bad("noteMalformed")
        signatures.append((found[1], blob[:4], blob[4:]))
    body = text.split("\n")
    if len(body) != 4 or not is_name(body[0]):
        raise Bad("checkpointMalformed")
    origin, size, root = body[0], decimal(body[1], "checkpointMalformed"), b64(body[2], "checkpointMalformed")
    if len(root) != 32:
        raise Bad("checkpointMalformed")
    seen, signed, retired, cosigned = set(), False, False, set()
    for name, key_id, signature in signatures:
        mine = [one for one in logs if one[:2] == (name, key_id) and (not one[3] or origin in one[3])]
        witness = next((one for one in witnesses if one[1:3] == (name, key_id)), None)
        if not mine and witness is None:
            continue
        if (name, key_id) in seen:
            raise Bad("noteMalformed")
        seen.add((name, key_id))
        if mine:
            if len(signature) != 64 or not sm2_verify(mine[0][2], text.encode(), signature):
                raise Bad("signatureInvalid")
            in_office = any(size >= one[4] and (one[5] is None or size <= one[5]) for one in mine)
            signed, retired = signed or in_office, retired or not in_office
        else:
            at = int.from_bytes(signature[:8], "big")
            message = f"cosignature/v1\ntime {at}\n{text}".encode()
            if len(signature) != 72 or at > TIME_MAX // 1000 or not sm2_verify(witness[3], message, signature[8:]):
                raise Bad("signatureInvalid")
            cosigned.add(witness[0])
    if not signed:
        raise Bad("keyRetired" if retired else "signatureMissing")
    for name, k, own in groups:
        if len(cosigned.intersection(own)) >= k:
            cosigned.add(name)
    if quorum not in (None, "none") and quorum not in cosigned:
        raise Bad("quorumMissing")
    return origin, size, root


def piece(data, at, bad="leafMalformed"):
    if len(data) - at < 4:
        raise Bad(bad)
    end = at + 4 + int.from_bytes(data[at:at + 4], "big")
    if end > len(data):
        raise Bad(bad)
    return data[at + 4:end], end


def read_leaf(data):
    bad = "leafMalformed"
    if len(data) > 65535 or data[:8] != b"RHLEAF\x00\x01":
        raise Bad(bad)
    at, before, fields = 8, 0, {}
    while at < len(data):
        tag = data[at]
        value, at = piece(data, at + 1)
        if not before < tag <= 17:
            raise Bad(bad)
        before = tag
        fields[tag] = value
    fixed = {2: 8, 3: 32, 4: 8, 6: 1, 13: 32}
    if any(tag not in fields for tag in (1, 2, 4, 5, 6, 8)) or any(tag in fields and len(fields[tag]) != n for tag, n in fixed.items()):
        raise Bad(bad)
    leaf = {"index": int.from_bytes(fields[2], "big"), "ms": int.from_bytes(fields[4], "big"), "previous": fields.get(3)}
    if leaf["index"] >= 1 << 63 or leaf["ms"] > TIME_MAX or fields[6][0] not in (1, 2) or (3 in fields) != (leaf["index"] > 0):
        raise Bad(bad)
    try:
        texts = {tag: fields[tag].decode("utf-8") for tag in (1, 5, 7, 8, 9, 10, 11, 12, 15) if tag in fields}
        if not is_name(texts[1]):
            raise Bad(bad)
        leaf.update(origin=texts[1], institution=texts.get(9), commitments={}, facts={})
        for tag, into in ((16, "facts"), (17, "commitments")):
            place, last = 0, None
            while place < len(fields.get(tag, b"")):
                name, place = piece(fields[tag], place)
                if name == b"" or (last is not None and name <= last):
                    raise Bad(bad)
                last, key = name, name.decode("utf-8")
                if tag == 16:
                    value, place = piece(fields[tag], place)
                    leaf[into][key] = value.decode("utf-8")
                else:
                    leaf[into][key], place = fields[tag][place:place + 32], place + 32
                    if place > len(fields[tag]):
                        raise Bad(bad)
        if 14 in fields:
            topic, place = piece(fields[14], 0)
            topic.decode("utf-8")
            if len(fields[14]) - place != 44 or fields[14][place + 4] >= 0x80:
                raise Bad(bad)
    except UnicodeDecodeError:
        raise Bad(bad)
    return leaf


def node(left, right):
    return sm3(b"\x01", left, right)


def included(leaf_hash, index, size, root, proof):
    if not 0 <= index < size:
        raise Bad("proofMalformed")
    a, b, x = index, size - 1, leaf_hash
    for q in proof:
        if b == 0:
            raise Bad("proofMalformed")
        if a & 1 or a == b:
            x = node(q, x)
            while not a & 1 and a:
                a, b = a >> 1, b >> 1
        else:
            x = node(x, q)
        a, b = a >> 1, b >> 1
    if b:
        raise Bad("proofMalformed")
    if x != root:
        raise Bad("proofRoot")


def consistent(m, s, n, r, proof):
    if m == 0 or m > n or (m == n and proof) or (m < n and not proof):
        raise Bad("proofVacuous" if m == 0 else "proofMalformed")
    if m == n:
        if s != r:
            raise Bad("proofRoot")
        return
    if m & (m - 1) == 0:
        proof = [s] + proof
    a, b = m - 1, n - 1
    while a & 1:
        a, b = a >> 1, b >> 1
    x = y = proof[0]
    for q in proof[1:]:
        if b == 0:
            raise Bad("proofMalformed")
        if a & 1 or a == b:
            x, y = node(q, x), node(q, y)
            while not a & 1 and a:
                a, b = a >> 1, b >> 1
        else:
            y = node(y, q)
        a, b = a >> 1, b >> 1
    if b:
        raise Bad("proofMalformed")
    if x != s or y != r:
        raise Bad("proofRoot")


def split_sealed(text, title, bad, limit, is_sealed):
    if len(text.encode()) > limit or "\n\n" not in text:
        raise Bad(bad)
    front, note = text.split("\n\n", 1)
    lines = front.split("\n")
    if lines.pop(0) != title:
        raise Bad(bad)
    if is_sealed or (lines and lines[0].startswith("sm3 ")):
        seal = lines.pop(0) if lines else ""
        rest = text[len(title) + 1 + len(seal) + 1:]
        if seal != "sm3 " + sm3(rest.encode()).hex():
            raise Bad(bad)
    return lines, note


def lp(data):
    return struct.pack(">I", len(data)) + data


def receipt(text, policy):
    bad = "receiptMalformed"
    lines, note = split_sealed(text, "ronghe-receipt/1", bad, 1048576, False)
    entries = []
    for line in lines:
        word, *words = line.split(" ")
        if word == "index" and len(words) == 1:
            entries.append({"index": decimal(words[0], bad), "leaf": None, "open": [], "path": []})
        elif not entries:
            raise Bad(bad)
        elif word == "leaf" and len(words) == 1 and entries[-1]["leaf"] is None:
            entries[-1]["leaf"] = b64(words[0], bad)
        elif word == "open" and len(words) == 3 and entries[-1]["leaf"] is not None and not entries[-1]["path"]:
            name, salt, value = (b64(one, bad) for one in words)
            try:
                name.decode("utf-8"), value.decode("utf-8")
            except UnicodeDecodeError:
                raise Bad(bad)
            if len(salt) != 16:
                raise Bad(bad)
            entries[-1]["open"].append((name, salt, value))
        elif word == "path" and len(words) == 1 and entries[-1]["leaf"] is not None:
            entries[-1]["path"].append(b64(words[0], bad))
        else:
            raise Bad(bad)
    if not entries or any(len(one) != 32 for entry in entries for one in entry["path"]):
        raise Bad(bad)
    if any(entry["leaf"] is None for entry in entries) or any(a["index"] >= b["index"] for a, b in zip(entries, entries[1:])):
        raise Bad(bad)
    leaves = [read_leaf(entry["leaf"]) for entry in entries]
    origin, size, root = believe(note, policy)
    for entry, leaf in zip(entries, leaves):
        if leaf["index"] != entry["index"]:
            raise Bad("leafIndex")
        if leaf["origin"] != origin:
            raise Bad("leafOrigin")
    for entry in entries:
        included(sm3(b"\x00", entry["leaf"]), entry["index"], size, root, entry["path"])
    for entry, leaf in zip(entries, leaves):
        order = list(leaf["commitments"])
        before = -1
        for name, salt, value in entry["open"]:
            place = struct.pack(">Q", leaf["index"])
            made = sm3(b"RHCOMM\x00\x01", lp(leaf["origin"].encode()), place, lp(name), lp(salt), lp(value))
            if leaf["commitments"].get(name.decode()) != made:
                raise Bad("commitmentMismatch")
            if order.index(name.decode()) <= before:
                raise Bad(bad)
            before = order.index(name.decode())


def range_of(text, policy, asked):
    bad = "rangeMalformed"
    lines, note = split_sealed(text, "ronghe-range/1", bad, 1 << 26, True)
    words = [line.split(" ", 1) for line in lines]
    if [one[0] for one in words[:5]] != ["log", "institution", "from", "to", "first"] or any(len(one) != 2 for one in words):
        raise Bad(bad)
    log, institution, begin, end, first = (one[1] for one in words[:5])
    if not is_name(log) or not re.fullmatch(r"[0-9A-Za-z._-]{1,64}|\*", institution):
        raise Bad(bad)
    from_ms, first = decimal(begin, bad), decimal(first, bad)
    to_ms = None if end == "-" else decimal(end, bad)
    if from_ms > TIME_MAX or (to_ms or 0) > TIME_MAX:
        raise Bad(bad)
    kinds = [one[0] for one in words[5:]]
    if kinds != sorted(kinds, key=["left", "leaf", "path"].index if set(kinds) <= {"left", "leaf", "path"} else lambda _: bad_order()):
        raise Bad(bad)
    parts = {kind: [b64(value, bad) for word, value in words[5:] if word == kind] for kind in ("left", "leaf", "path")}
    if any(len(one) != 32 for one in parts["left"] + parts["path"]):
        raise Bad(bad)
    if asked is not None and asked != [institution, begin, end, log]:
        raise Bad("questionMismatch")
    leaves = [read_leaf(one) for one in parts["leaf"]]
    origin, size, root = believe(note, policy)
    if origin != log:
        raise Bad("checkpointOrigin")
    stop = first + len(leaves)
    if not leaves or stop > size:
        raise Bad(bad)
    if len(parts["left"]) != bin(first).count("1"):
        raise Bad("proofMalformed")
    stack = [(1 << bit, one) for bit, one in zip([bit for bit in range(63, -1, -1) if first >> bit & 1], parts["left"])]
    for one in parts["leaf"]:
        stack.append((1, sm3(b"\x00", one)))
        while len(stack) > 1 and stack[-2][0] == stack[-1][0]:
            (width, left), (_, right) = stack[-2:]
            stack[-2:] = [(2 * width, node(left, right))]
    top = stack[-1][1]
    for _, left in reversed(stack[:-1]):
        top = node(left, top)
    consistent(stop, top, size, root, parts["path"])
    for at, leaf in enumerate(leaves):
        if leaf["index"] != first + at:
            raise Bad("leafIndex")
        if leaf["origin"] != log:
            raise Bad("leafOrigin")
        if at and leaf["previous"] != sm3(b"\x00", parts["leaf"][at - 1]):
            raise Bad("leafChain")
        if at and leaf["ms"] < leaves[at - 1]["ms"]:
            raise Bad("leafTime")
    if to_ms is not None and to_ms <= from_ms:
        raise Bad(bad)
    is_last = stop == size
    if first > 0 and leaves[0]["ms"] >= from_ms or (to_ms is None and not is_last):
        raise Bad("rangeBoundary")
    if to_ms is not None and leaves[-1]["ms"] < to_ms:
        raise Bad("rangeOpen" if is_last else "rangeBoundary")
    if asked is None:
        raise Bad("questionMissing")


def bad_order():
    raise Bad("rangeMalformed")


def verdict(kind, policy_data, data, asked):
    try:
        policy = read_policy(policy_data)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            return "unreadable"
        if kind == "receipt":
            receipt(text, policy)
        elif kind == "range":
            range_of(text, policy, asked or None)
        else:
            believe(text, policy)
        return "valid"
    except Bad as found:
        return str(found)


def main(kind, policy_file="", file="", *asked):
    if kind != "-":
        print(verdict(kind, open(policy_file, "rb").read(), open(file, "rb").read(), list(asked)))
        return
    cases = json.load(sys.stdin)
    print(json.dumps([verdict(kind, base64.b64decode(policy), base64.b64decode(data), asked) for kind, policy, data, asked in cases]))


if __name__ == "__main__":
    main(*sys.argv[1:])
