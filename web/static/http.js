// Requests to this service, with its errors as exceptions that a reader can understand.

export class ServiceError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** Fetches; throws ServiceError with the service's own code and sentence, or `unreachable`. */
export async function request(url, options = {}) {
  let response;
  try {
    response = await fetch(url, { credentials: "omit", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServiceError("unreachable", "The server did not answer. Check the connection and try again.");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

/** `body` is JSON text: the caller writes numbers that JavaScript cannot hold. */
export function post(url, body, signal) {
  return request(url, { method: "POST", headers: { "Content-Type": "application/json" }, body, signal });
}

/** Reads both error forms of the service: RFC 9457, and OpenAI's under /v1. */
async function problem(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // Not the service's own answer: a proxy's page, say. The status has to do.
  }
  const { code = `http_${response.status}`, message } = body.error ?? body;
  const text = message ?? body.detail ?? `The server answered with status ${response.status}.`;
  return new ServiceError(code, text.charAt(0).toUpperCase() + text.slice(1));
}

/** Yields the data of each server-sent event. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += value;
    const blocks = buffer.split(/\r?\n\r?\n/);
    buffer = blocks.pop();
    for (const block of blocks) {
      const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
      if (lines.length > 0) yield lines.map((line) => line.slice(5).replace(/^ /, "")).join("\n");
    }
  }
}
