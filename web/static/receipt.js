// Reads a receipt ("rail-receipt/1", ledger/SPEC.md) and checks everything in it against a log key.

import { CheckError, equal, fromBase64, sha256, utf8 } from "./bytes.js";
import { decode } from "./cbor.js";
import { openStatement, verifyStatement } from "./cose.js";
import { foldInclusion, leafHash } from "./merkle.js";
import { parseCheckpoint, parseNote, verifyNote } from "./note.js";

const FORMAT = "rail-receipt/1";
const CLAIMS = {
  prompt: "The prompt’s tokens are what the statement commits to",
  output: "The output is what the statement commits to",
};
const DOMAIN = "rail/commitment/v1\0";

/** The parts of a receipt as bytes; throws CheckError `receipt_unreadable` or `not_base64`. */
export function parseReceipt(value) {
  if (value?.format !== FORMAT) throw new CheckError("receipt_unreadable", `not a receipt of format ${FORMAT}`);
  try {
    return {
      log: value.log,
      ...parseEntry(value.entry),
      operator: parseEntry(value.operator),
      checkpoint: value.checkpoint,
      opening: { prompt: parseSalted(value.opening?.prompt), output: parseSalted(value.opening?.output) },
    };
  } catch (error) {
    throw error instanceof CheckError ? error : new CheckError("receipt_unreadable", "the receipt lacks a part");
  }
}

const parseEntry = ({ index, statement, proof }) => ({ index, statement: fromBase64(statement), proof: proof.map(fromBase64) });
const parseSalted = (part) => (part ? { salt: fromBase64(part.salt), content: fromBase64(part.content) } : null);

/**
 * Checks all that a receipt claims. Throws CheckError only for a checkpoint that cannot be read; anything else that
 * does not hold is a check that did not pass.
 *
 * @param receipt from parseReceipt
 * @param {{name, keyId, publicKey}} vkey the log's key, from parseVkey
 * @returns {{checks: {claim: string, passed: boolean|null, why: string}[], ...}} null: this browser cannot check it
 */
export async function checkReceipt(receipt, vkey) {
  const note = parseNote(receipt.checkpoint);
  const head = parseCheckpoint(note.text);
  const signed = attempt(() => openStatement(receipt.statement));
  const registration = attempt(() => openRegistration(receipt.operator.statement));
  const fold = await attemptAsync(() => climb(receipt, head));
  const operatorFold = await attemptAsync(() => climb(receipt.operator, head));
  const output = await openPart("output", receipt, signed);
  const prompt = await openPart("prompt", receipt, signed);
  const checks = [
    await statementCheck(signed, registration),
    inclusionCheck("This entry is in the tree", fold, head),
    inclusionCheck("The operator’s registration is in the same tree", operatorFold, head),
    await registrationCheck(registration, receipt),
    await checkpointCheck(note, vkey),
    prompt?.check,
    output?.check,
  ].filter(Boolean);
  return {
    checks,
    index: receipt.index,
    size: head.size,
    expected: head.root,
    fold: fold.fault ? null : fold,
    statement: receipt.statement,
    payload: signed.payload ?? null,
    checkpoint: receipt.checkpoint,
    output: output?.check.passed ? output.bytes : null,
  };
}

async function climb({ index, statement, proof }, head) {
  const leaf = await leafHash(statement);
  return { leaf, ...(await foldInclusion(leaf, index, head.size, proof)) };
}

function openRegistration(bytes) {
  const signed = openStatement(bytes);
  const publicKey = signed.payload.get("public");
  if (signed.payload.get("type") !== "operator" || signed.payload.get("action") !== "register") {
    throw new CheckError("not_registration", "it does not register an operator");
  }
  if (!(publicKey instanceof Uint8Array)) throw new CheckError("not_registration", "it holds no public key");
  return { ...signed, publicKey, from: signed.payload.get("valid_from"), to: signed.payload.get("valid_to") };
}

async function statementCheck(signed, registration) {
  const claim = "The operator signed this statement";
  const fault = signed.fault ?? registration.fault;
  if (fault) return { claim, passed: false, why: sentence(fault) };
  const time = signed.payload.get("time");
  if (time < registration.from || (registration.to !== null && time > registration.to)) {
    return { claim, passed: false, why: "Its time is outside the validity of the operator’s key." };
  }
  const passed = await verifyStatement(signed, registration.publicKey);
  return { claim, passed, why: signatureWords(passed, "The signature fits the statement’s bytes and the registered key.") };
}

async function registrationCheck(registration, receipt) {
  const claim = "The operator registered this key itself, before the entry";
  if (registration.fault) return { claim, passed: false, why: sentence(registration.fault) };
  if (receipt.operator.index > receipt.index) return { claim, passed: false, why: "The registration came after the entry." };
  const passed = await verifyStatement(registration, registration.publicKey);
  const name = registration.payload.get("name");
  return { claim, passed, why: signatureWords(passed, `Entry ${receipt.operator.index}, signed by the key that it registers for ${name}.`) };
}

function inclusionCheck(claim, fold, head) {
  if (fold.fault) return { claim, passed: false, why: sentence(fold.fault) };
  const passed = equal(fold.root, head.root);
  const levels = fold.steps.length === 1 ? "1 hash leads" : `${fold.steps.length} hashes lead`;
  return { claim, passed, why: passed ? `${levels} from it to the checkpoint’s root.` : "The hashes lead to another root than the checkpoint’s." };
}

async function checkpointCheck(note, vkey) {
  const claim = "The log signed the root of this tree";
  const passed = await verifyNote(note, vkey);
  return { claim, passed, why: signatureWords(passed, `The checkpoint’s signature fits the key of ${vkey.name}.`) };
}

/** Opens the commitment to a prompt or output; null where the receipt does not show it. */
async function openPart(tag, { opening }, signed) {
  const part = opening[tag];
  if (part === null) return null;
  const claim = CLAIMS[tag];
  if (signed.fault) return { check: { claim, passed: false, why: "The statement with its commitment cannot be read." }, bytes: null };
  const commitment = signed.payload.get(`${tag}_commitment`);
  const found = await sha256(utf8(`${DOMAIN}${tag}\0`), part.salt, part.content);
  const passed = commitment instanceof Uint8Array && equal(found, commitment);
  const content = attempt(() => decode(part.content));
  const why = passed ? "Salt and content hash to the commitment in the statement." : "Salt and content do not hash to the commitment in the statement.";
  return { check: { claim, passed, why }, bytes: content instanceof Map ? content.get("bytes") : null };
}

function signatureWords(passed, words) {
  if (passed === null) return "Not checked: this browser has no Ed25519.";
  return passed ? words : "The signature does not fit.";
}

const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;

/** The result, or {fault: message} for evidence that does not hold. Faults of our own code still throw. */
function attempt(read) {
  try {
    return read();
  } catch (error) {
    return asFault(error);
  }
}

async function attemptAsync(read) {
  try {
    return await read();
  } catch (error) {
    return asFault(error);
  }
}

function asFault(error) {
  if (error instanceof CheckError) return { fault: error.message };
  throw error;
}
