import type { ComponentChild } from "preact";

// A small Markdown for what models write: paragraphs, headings, lists, quotes, fenced code, tables, emphasis, code and links.
// It makes elements and text nodes, never HTML; an image becomes a link, so that nothing is fetched from elsewhere.

export function Markdown({ text }: { text: string }) {
  return <div class="markdown">{blocks(text.split(/\r?\n/))}</div>;
}

const FENCE = /^\s*(```+|~~~+)\s*([\w+-]*)/;
const HEADING = /^(#{1,6})\s+(.*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^\s*>\s?(.*)$/;
const RULE = /^\s*([-*_])(?:\s*\1){2,}\s*$/;
const TABLE_RULE = /^\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$/;
const DEEPEST = 8; // hostile text nests without end

function blocks(lines: string[], depth = 0): ComponentChild[] {
  const made: ComponentChild[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    const [block, next] = !line.trim() ? [null, at + 1] : blockAt(lines, at, depth);
    if (block !== null) made.push(block);
    at = Math.max(next, at + 1);
  }
  return made;
}

function blockAt(lines: string[], at: number, depth: number): [ComponentChild, number] {
  const line = lines[at] ?? "";
  const heading = HEADING.exec(line);
  if (FENCE.test(line)) return fence(lines, at);
  if (heading) return [<p class={`heading h${heading[1]?.length}`}>{inline(heading[2] ?? "")}</p>, at + 1];
  if (RULE.test(line)) return [<hr />, at + 1];
  if (QUOTE.test(line) && depth < DEEPEST) return quote(lines, at, depth);
  if (ITEM.test(line) && depth < DEEPEST) return list(lines, at, depth);
  if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "")) return table(lines, at);
  return paragraph(lines, at);
}

function fence(lines: string[], at: number): [ComponentChild, number] {
  const mark = FENCE.exec(lines[at] ?? "")?.[1] ?? "```";
  let end = at + 1;
  while (end < lines.length && !(lines[end] ?? "").trim().startsWith(mark)) end += 1;
  return [<pre tabIndex={0}>{lines.slice(at + 1, end).join("\n")}</pre>, end + 1];
}

function quote(lines: string[], at: number, depth: number): [ComponentChild, number] {
  const inner: string[] = [];
  let end = at;
  for (let match; end < lines.length && (match = QUOTE.exec(lines[end] ?? "")); end += 1) inner.push(match[1] ?? "");
  return [<blockquote>{blocks(inner, depth + 1)}</blockquote>, end];
}

function list(lines: string[], at: number, depth: number): [ComponentChild, number] {
  const [, indent = "", mark = ""] = ITEM.exec(lines[at] ?? "") ?? [];
  const items: string[][] = [];
  let end = at;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? "";
    const match = ITEM.exec(line);
    if (match && (match[1] ?? "").length <= indent.length) {
      if (/\d/.test(match[2] ?? "") !== /\d/.test(mark)) break;
      items.push([match[3] ?? ""]);
    } else if (match || /^\s{2,}\S/.test(line)) items.at(-1)?.push(line.slice(Math.min(line.search(/\S/), indent.length + 2)));
    else break;
  }
  const made = items.map((item) => <li>{item.length > 1 ? blocks(item, depth + 1) : inline(item[0] ?? "")}</li>);
  return [/\d/.test(mark) ? <ol start={Number.parseInt(mark, 10)}>{made}</ol> : <ul>{made}</ul>, end];
}

function table(lines: string[], at: number): [ComponentChild, number] {
  const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
  let end = at + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) end += 1;
  const head = cells(lines[at] ?? "");
  const rows = lines.slice(at + 2, end).map(cells);
  const made = (
    <table>
      <thead>
        <tr>{head.map((cell) => <th>{inline(cell)}</th>)}</tr>
      </thead>
      <tbody>{rows.map((row) => <tr>{head.map((_, index) => <td>{inline(row[index] ?? "")}</td>)}</tr>)}</tbody>
    </table>
  );
  return [made, end];
}

function paragraph(lines: string[], at: number): [ComponentChild, number] {
  let end = at + 1;
  for (; end < lines.length; end += 1) {
    const line = lines[end] ?? "";
    if (!line.trim() || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || ITEM.test(line)) break;
  }
  const text = lines.slice(at, end);
  return [<p>{text.flatMap((line, index) => (index ? [<br />, ...inline(line)] : inline(line)))}</p>, end];
}

const INLINE = /(`+)([^`]+)\1|\*\*([^*]+)\*\*|__([^_]+)__|\*([^*\s][^*]*)\*|(?<!\w)_([^_\s][^_]*)_(?!\w)|!?\[([^\]]*)\]\(([^()\s]+)\)|(https?:\/\/[^\s<>()"']+)/g;

function inline(text: string): ComponentChild[] {
  const made: ComponentChild[] = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > from) made.push(text.slice(from, match.index));
    made.push(marked(match));
    from = match.index + match[0].length;
  }
  if (from < text.length) made.push(text.slice(from));
  return made;
}

function marked(match: RegExpMatchArray): ComponentChild {
  const [whole, , code, strong, strong2, em, em2, label, target, bare] = match;
  if (code !== undefined) return <code>{code}</code>;
  if (strong ?? strong2) return <strong>{strong ?? strong2}</strong>;
  if (em ?? em2) return <em>{em ?? em2}</em>;
  const address = safeAddress(target ?? bare ?? "");
  if (address === null) return whole;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer nofollow">
      {label || bare || address}
    </a>
  );
}

/** Only the web and mail: an address of another kind (javascript:, data:) stays text. */
export function safeAddress(text: string): string | null {
  try {
    const { protocol, href } = new URL(text);
    return ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
  } catch {
    return null;
  }
}
