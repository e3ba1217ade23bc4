import assert from "node:assert/strict";
import test from "node:test";

import { hex } from "../../../web/static/bytes.js";
import { parseCheckpoint, parseNote, parseVkey, verifyNote } from "../../../web/static/note.js";

const EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE_NOTE =
  "This is an example message.\n\n" +
  "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";
const LOG_VKEY = "rail.example/log1+7fd7bc70+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4";
const CHECKPOINT =
  "rail.example/log1\n3\nlPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=\n\n" +
  "\u2014 rail.example/log1 f9e8cDoh/PsMgZBGwoLyR2WWFu+X4vPdYAuvCWrTAvU1IqL0LNKP2lDnkHVhBne+8KXXMWRRG8KBU/fPEKf08bu7Zgo=\n";
const WITNESS_LINE =
  "\u2014 w1.example/witness hl9qWgAAAABlU/EAyd1augTCHLaV6niRH/VOhW5NmH6gBzuhqT+vO/IDXd0YFFyaRNPgtoqNdcg3+TpbLg8N6PgmA4xQl5JV9x2VDA==\n";

test("the example of the signed-note specification verifies", async () => {
  assert.equal(await verifyNote(parseNote(EXAMPLE_NOTE), await parseVkey(EXAMPLE_VKEY)), true);
});

test("a checkpoint is read and verifies, with and without a witness beside the log", async () => {
  for (const text of [CHECKPOINT, CHECKPOINT + WITNESS_LINE]) {
    const note = parseNote(text);
    assert.equal(await verifyNote(note, await parseVkey(LOG_VKEY)), true);
    const { origin, size, root } = parseCheckpoint(note.text);
    assert.equal(origin, "rail.example/log1");
    assert.equal(size, 3);
    assert.equal(hex(root).length, 64);
  }
});

test("a changed text, a changed signature or another key does not verify", async () => {
  const vkey = await parseVkey(LOG_VKEY);
  assert.equal(await verifyNote(parseNote(CHECKPOINT.replace("\n3\n", "\n4\n")), vkey), false);
  assert.equal(await verifyNote(parseNote(CHECKPOINT.replace("cDoh", "cDoi")), vkey), false);
  assert.equal(await verifyNote(parseNote(CHECKPOINT), await parseVkey(EXAMPLE_VKEY)), false);
});

test("a key id that does not belong to the key is refused", async () => {
  await assert.rejects(parseVkey(LOG_VKEY.replace("7fd7bc70", "7fd7bc71")), { code: "vkey_unreadable" });
  await assert.rejects(parseVkey("no key"), { code: "vkey_unreadable" });
});

test("malformed notes and checkpoints are refused", () => {
  for (const text of ["", "a\n", "a\n\n", CHECKPOINT.slice(0, -1), CHECKPOINT.replace("\u2014", "-"), CHECKPOINT.replace("=\n", "\n")]) {
    assert.throws(() => parseCheckpoint(parseNote(text).text), { name: "Error" }, JSON.stringify(text));
  }
  for (const text of ["o\n03\nlPvQ3YNvUDAWkubQ6t5yjuGexSv/8WBu2AfIV11aqhk=\n", "o\n3\nlPvQ\n", "o\n3\n"]) {
    assert.throws(() => parseCheckpoint(text), { code: "checkpoint_unreadable" });
  }
});
