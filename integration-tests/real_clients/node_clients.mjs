// Real clients of Node, each used as its own documentation shows.
//
// `node node_clients.mjs CLIENT URL` prints what the client got as one line of JSON. The packages are those of the
// working folder, which is not this file's.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const load = (name) => import(pathToFileURL(require.resolve(name)));

const ASK = [{ role: "user", content: "What is a toll road?" }];
const SCHEMA = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const CITY = {
  type: "object",
  properties: { name: { type: "string" } },
  required: ["name"],
  additionalProperties: false,
};

async function openai(url) {
  const { default: OpenAI } = await load("openai");
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const tools = [{ type: "function", function: { name: "weather", parameters: SCHEMA } }];
  const format = { type: "json_schema", json_schema: { name: "city", strict: true, schema: CITY } };

  async function chat(model) {
    const complete = (more) => client.chat.completions.create({ model, messages: ASK, ...more });
    let text = "";
    for await (const part of await complete({ stream: true })) text += part.choices[0]?.delta?.content ?? "";
    const called = (await complete({ tools })).choices[0].message;
    const call = called.tool_calls[0];
    const result = { role: "tool", tool_call_id: call.id, content: "Rain." };
    const structured = await complete({ response_format: format });
    return {
      chat: (await complete({})).choices[0].message.content,
      stream: text,
      call: [call.function.name, JSON.parse(call.function.arguments)],
      answer: (await complete({ tools, messages: [...ASK, called, result] })).choices[0].message.content,
      structured: JSON.parse(structured.choices[0].message.content).name,
    };
  }

  async function responses(model) {
    const ask = (more) => client.responses.create({ model, input: ASK, ...more });
    const given = [{ type: "function", name: "weather", parameters: SCHEMA, strict: false }];
    const streamed = await client.responses.stream({ model, input: ASK }).finalResponse();
    const called = await ask({ tools: given });
    const call = called.output.find((item) => item.type === "function_call");
    const result = { type: "function_call_output", call_id: call.call_id, output: "Rain." };
    const text = { format: { type: "json_schema", name: "city", strict: true, schema: CITY } };
    return {
      chat: (await ask({})).output_text,
      stream: streamed.output_text,
      call: [call.name, JSON.parse(call.arguments)],
      answer: (await ask({ tools: given, input: [result], previous_response_id: called.id })).output_text,
      structured: JSON.parse((await ask({ text })).output_text).name,
    };
  }

  const vectors = await client.embeddings.create({ model: "vec", input: ["a", "b"] });
  return {
    gpt: await chat("gpt"),
    claude: await chat("claude"),
    responses: await responses("claude"),
    vectors: vectors.data.map((one) => one.embedding),
  };
}

async function anthropic(url) {
  const { default: Anthropic } = await load("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const tools = [{ name: "weather", input_schema: SCHEMA }];
  const text = (message) => message.content.find((block) => block.type === "text").text;

  async function messages(model) {
    const ask = { model, max_tokens: 64, messages: ASK };
    const called = await client.messages.create({ ...ask, tools });
    const call = called.content.find((block) => block.type === "tool_use");
    const result = { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "Rain." }] };
    const history = [...ASK, { role: "assistant", content: called.content }, result];
    const format = { type: "json_schema", schema: CITY };
    return {
      chat: text(await client.messages.create(ask)),
      stream: await client.messages.stream(ask).finalText(),
      call: [call.name, call.input],
      answer: text(await client.messages.create({ ...ask, tools, messages: history })),
      structured: JSON.parse(text(await client.messages.create({ ...ask, output_config: { format } }))).name,
    };
  }

  return { claude: await messages("claude"), gpt: await messages("gpt") };
}

async function ai(url) {
  const { generateText, streamText, embedMany, tool, jsonSchema, stepCountIs, Output } = await load("ai");
  const { createOpenAI } = await load("@ai-sdk/openai");
  const { createAnthropic } = await load("@ai-sdk/anthropic");
  const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
  const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey: "none" });
  const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey: "none" });
  const options = { name: "tollway", baseURL: `${url}/v1`, supportsStructuredOutputs: true };
  const compatible = createOpenAICompatible(options);
  const prompt = ASK[0].content;

  async function ask(model) {
    const calls = [];
    const execute = async (input) => (calls.push(["weather", input]), "Rain.");
    const weather = tool({ description: "Weather.", inputSchema: jsonSchema(SCHEMA), execute });
    const whole = { model, prompt, maxRetries: 0 };
    const output = Output.object({ schema: jsonSchema(CITY) });
    const tooled = await generateText({ ...whole, tools: { weather }, stopWhen: stepCountIs(3) });
    return {
      chat: (await generateText(whole)).text,
      stream: await streamText(whole).text,
      call: calls[0],
      answer: tooled.text,
      structured: (await generateText({ ...whole, output })).output.name,
    };
  }

  const embedder = compatible.textEmbeddingModel?.("vec") ?? compatible.embeddingModel("vec");
  const { embeddings } = await embedMany({ model: embedder, values: ["a", "b"], maxRetries: 0 });
  return {
    compatible: await ask(compatible("gpt")),
    claude: await ask(compatible("claude")),
    responses: await ask(openai("claude")),
    chat: await ask(openai.chat("gpt")),
    messages: await ask(anthropic("claude")),
    vectors: embeddings,
  };
}

const [, , name, url] = process.argv;
const clients = { openai, anthropic, ai };
console.log(JSON.stringify(await clients[name](url)));
