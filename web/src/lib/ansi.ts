// Terminal escape sequences in logs: colours are kept as classes, everything else a terminal would do is left out.

export interface Piece { text: string; style: string }

/** Colours and the like (`ESC [ ... m`), other control sequences, and one that has only begun at the end. */
const SEQUENCE = /\x1b(?:\[([0-9;:]*)m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78cDEHM])|\x1b(?:\[[0-?]*)?$/g;
/** A log of more pieces is shown without colours: so many elements would be slower than they are worth. */
const MOST = 4_000;
const HUES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export const plain = (text: string) => (text.includes("\x1b") ? text.replace(SEQUENCE, "") : text);

export function coloured(text: string): Piece[] {
  if (!text.includes("\x1b")) return [{ text, style: "" }];
  const pieces: Piece[] = [];
  let [from, style] = [0, { hue: "", bold: false, faint: false }];
  const put = (part: string) => part && pieces.push({ text: part, style: classOf(style) });
  for (const found of text.matchAll(SEQUENCE)) {
    if (pieces.length > MOST) return [{ text: plain(text), style: "" }];
    put(text.slice(from, found.index));
    from = found.index + found[0].length;
    if (found[1] !== undefined) style = after(style, found[1]);
  }
  put(text.slice(from));
  return pieces;
}

interface Style { hue: string; bold: boolean; faint: boolean }

const classOf = ({ hue, bold, faint }: Style) => [hue && `ansi-${hue}`, bold && "ansi-bold", faint && "ansi-faint"].filter(Boolean).join(" ");

/** The style after one sequence. Colours beyond the eight, and backgrounds, are passed over. */
function after(style: Style, codes: string): Style {
  const next = { ...style };
  const numbers = codes.split(/[;:]/).map(Number);
  for (let at = 0; at < numbers.length; at += 1) {
    const code = numbers[at] ?? 0;
    if (code === 0) Object.assign(next, { hue: "", bold: false, faint: false });
    else if (code === 1) next.bold = true;
    else if (code === 2) next.faint = true;
    else if (code === 22) next.bold = next.faint = false;
    else if (code === 39) next.hue = "";
    else if (code >= 30 && code <= 37) next.hue = HUES[code - 30] ?? "";
    else if (code >= 90 && code <= 97) next.hue = HUES[code - 90] ?? "";
    else if (code === 38 || code === 48) at += numbers[at + 1] === 2 ? 4 : 2;
  }
  return next;
}
