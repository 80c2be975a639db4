// What OpenAI's own client for JavaScript gets of a daemon (argv: its URL, a key), as one JSON object.
import OpenAI from "openai";

const [url, apiKey] = process.argv.slice(2);
const asUser = (key) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 });
const client = asUser(apiKey);
const messages = [{ role: "user", content: "go" }];
const parameters = { type: "object", properties: { at: { type: "integer" } } };
const tools = [{ type: "function", function: { name: "look", description: "Looks.", parameters } }];

const scenes = {
  async chat() {
    const { data, response } = await client.chat.completions
      .create({ model: "gpt-4o", messages, max_tokens: 4 })
      .withResponse();
    return { ...data, run: response.headers.get("x-swapd-run") };
  },

  async stream() {
    const stream_options = { include_usage: true };
    const stream = await client.chat.completions.create({
      model: "alpha", messages, max_tokens: 50, stream: true, stream_options,
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  },

  async calls() {
    const whole = await client.chat.completions.create({ model: "caller", messages, tools });
    const said = whole.choices[0].message;
    const seen = said.tool_calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: "dark" }));
    const again = await client.chat.completions.create({
      model: "caller", messages: [...messages, said, ...seen], tools,
    });
    return { whole, again };
  },

  // The helper holds every chunk against what it may be, and puts the answer together.
  async callsInAStream() {
    return client.chat.completions.stream({ model: "caller", messages, tools }).finalChatCompletion();
  },

  async embeddings() {
    const input = ["happy dog", "happy dog", "car engine"];
    const packed = await client.embeddings.create({ model: "embed", input }); // as base64, unless told otherwise
    const plain = await client.embeddings.create({ model: "embed", input, encoding_format: "float" });
    return { packed: packed.data, plain: plain.data };
  },

  async models() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids, one: await client.models.retrieve("gpt-4o") };
  },

  async unknown() {
    return client.chat.completions.create({ model: "alhpa", messages });
  },

  async unknownInAStream() {
    return client.chat.completions.create({ model: "alhpa", messages, stream: true });
  },

  async stranger() {
    return asUser("sk-of-a-stranger").models.list();
  },

  async abort() {
    const stream = await client.chat.completions.create({ model: "slow", messages, stream: true });
    let words = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content && ++words === 3) stream.controller.abort();
    }
    return { words };
  },
};

const told = {};
for (const [name, scene] of Object.entries(scenes)) {
  try {
    told[name] = await scene();
  } catch (error) {
    const { status, code, requestID, message } = error;
    told[name] = { thrown: error.constructor.name, status, code, requestID, message };
  }
}
console.log(JSON.stringify(told));
