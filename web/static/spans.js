// Cutting a pasted text into matched and other pieces.

/**
 * Pieces of `text` in order, without gaps or overlaps: {text, span} with the span that covers a piece, or null.
 * Offsets count UTF-16 units, as JavaScript strings do. Spans outside the text are cut to it; where spans overlap the
 * first keeps its part, so that each character is shown once.
 */
export function cut(text, spans) {
  const pieces = [];
  let reached = 0;
  const sorted = [...spans].sort((a, b) => a.start_utf16 - b.start_utf16 || b.end_utf16 - a.end_utf16);
  for (const span of sorted) {
    const start = Math.max(reached, span.start_utf16);
    const end = Math.min(text.length, span.end_utf16);
    if (!(start < end)) continue;
    if (start > reached) pieces.push({ text: text.slice(reached, start), span: null });
    pieces.push({ text: text.slice(start, end), span });
    reached = end;
  }
  if (reached < text.length) pieces.push({ text: text.slice(reached), span: null });
  return pieces;
}
