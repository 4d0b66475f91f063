import type { Message, Part } from "../lib/types";
import { Json, parsedOr } from "./json";
import { Markdown } from "./markdown";

// A conversation as one reads it: who said what; tools, their results and reasoning folded.

export function Messages({ messages }: { messages: Message[] }) {
  return (
    <ol class="messages">
      {messages.map((message, index) => (
        <li key={index} class={`message role-${roleClass(message.role)}`}>
          <p class="message-role">
            {message.role}
            {message.finish && message.finish !== "stop" && <span class="quiet"> {message.finish}</span>}
          </p>
          {message.parts.map((part, at) => (
            <PartView key={at} part={part} />
          ))}
        </li>
      ))}
    </ol>
  );
}

const roleClass = (role: string): string => (/^[a-z]+$/.test(role) ? role : "other");

function PartView({ part }: { part: Part }) {
  switch (part.type) {
    case "text":
      return <TextPart text={part.text} />;
    case "reasoning":
      return (
        <details class="part">
          <summary>Reasoning</summary>
          <Markdown text={part.text} />
        </details>
      );
    case "tool_call":
      return (
        <details class="part">
          <summary>
            Calls <b>{part.name}</b> <span class="quiet">{preview(part.arguments)}</span>
          </summary>
          <Json value={parsedOr(part.arguments)} />
        </details>
      );
    case "tool_result":
      return (
        <details class="part">
          <summary>
            Result {part.name && <b>{part.name} </b>}
            <span class="quiet">{preview(part.content)}</span>
          </summary>
          <Json value={parsedOr(part.content)} />
        </details>
      );
    case "image":
      return <Image url={part.url} />;
    default:
      return <Json value={part.value} />;
  }
}

function TextPart({ text }: { text: string }) {
  const value = parsedOr(text);
  return typeof value === "object" ? <Json value={value} /> : <Markdown text={text} />;
}

const preview = (value: unknown): string => {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

/** Pictures that came with the request are shown; one that is elsewhere is not fetched. */
function Image({ url }: { url: string }) {
  if (/^data:image\/(png|jpeg|gif|webp);base64,/.test(url)) return <img class="message-image" src={url} alt="from the conversation" />;
  return <p class="quiet">Image at {url.slice(0, 200)} (not loaded: it is on another host)</p>;
}
