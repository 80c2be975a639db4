// What Ollama's own client for JavaScript gets of a daemon (argv: its URL), as one JSON object.
const { Ollama } = require("ollama");

const client = new Ollama({ host: process.argv[2] });
const messages = [{ role: "user", content: "go" }];
const tools = [{ type: "function", function: { name: "look", description: "Looks.", parameters: { type: "object" } } }];
const options = { num_predict: 4 };

async function lines(stream) {
  const found = [];
  for await (const line of stream) found.push(line);
  return found;
}

async function refusal(asked) {
  try {
    await asked;
  } catch (error) {
    return { status: error.status_code, message: error.message };
  }
}

async function main() {
  const told = {};
  told.version = await client.version();
  told.list = await client.list();
  told.before = await client.ps();
  told.chat = await client.chat({ model: "alpha", messages, options });
  told.stream = await lines(await client.chat({ model: "alpha", messages, options, stream: true }));
  told.generate = await lines(await client.generate({ model: "gpt-4o", prompt: "go", options, stream: true }));
  told.calls = await lines(await client.chat({ model: "caller", messages, tools, stream: true, keep_alive: "1h" }));
  told.embed = await client.embed({ model: "embed", input: ["dog", "cat"] });
  told.embeddings = await client.embeddings({ model: "embed", prompt: "dog" });
  told.show = await client.show({ model: "caller" });
  told.ps = await client.ps();
  told.unload = await client.chat({ model: "caller", messages: [], keep_alive: 0 });
  told.unknown = await refusal(client.chat({ model: "nobody", messages }));
  told.pull = await refusal(client.pull({ model: "new" }));
  console.log(JSON.stringify(told));
}

main();
