// The conversation that every JavaScript client has with the server, told step by step as lines of JSON; it is that of
// conversation.py, and goes on by what the client shows a model alone, be that the text or the structured content.
export const asked = JSON.parse(process.argv[2]);

const TOOLS = ["extend_video", "get_task", "list_assets", "view_film"];
const SHOWN = 700;
const CLIP = /"Gen-3 Alpha \d+, a quiet beach at dusk[^"]*" .*assetId (\S+)/;
const NEXT = /^Next: (\w+) (\{.*\})\./m;
const TIMES_OUT = /time[d -]*out|cancel|abort/i;

export function tell(step, ok, saw, more = {}) {
  const at = performance.now() / 1000;
  process.stdout.write(`${JSON.stringify({ step, ok, saw: String(saw).slice(0, SHOWN), at, ...more })}\n`);
}

// `listed` gives the names of the tools as models get them, `call` the text that a model gets of a result.
export async function play(listed, call, read) {
  let clip = "";
  let text = "";
  let cut = 0;
  const wish = () => {
    hold(clip, "there is no clip to extend");
    return { assetId: clip, text_prompt: asked.prompt };
  };
  // The result of a call, which is made again, word for word, when the client has cut it off.
  async function patiently(tool, given) {
    const until = Date.now() + asked.patience * 1000;
    for (;;) {
      try {
        return await call(tool, given);
      } catch (error) {
        if (!TIMES_OUT.test(`${error.name} ${error.message}`) || Date.now() > until) throw error;
        cut += 1;
      }
    }
  }
  const steps = {
    async list() {
      const names = await listed();
      const missing = TOOLS.filter((name) => !names.some((found) => found.endsWith(name)));
      hold(missing.length === 0, `${missing} not in ${names}`);
      const said = await call("list_assets", {});
      clip = clipOf(said);
      hold(clip, `no clip in: ${said}`);
      return said;
    },
    async price() {
      const said = await call("extend_video", { ...wish(), dry_run: true });
      hold(said.includes("Nothing was submitted") && said.includes("50 credits"), `no price in: ${said}`);
      return said;
    },
    async extend() {
      text = await patiently("extend_video", wish());
      hold(text.includes("task:"), `no task in: ${text}`);
      return text;
    },
    async follow() {
      const until = Date.now() + asked.patience * 1000;
      while (!text.includes("film is ready")) {
        const step = nextOf(text);
        hold(step, `no next call in: ${text}`);
        hold(Date.now() < until, `no end after ${asked.patience} s: ${text}`);
        text = await patiently(...step);
      }
      return text;
    },
    async read() {
      const said = await read("runway://tasks");
      hold(said.includes(asked.prompt), `our task is not in: ${said}`);
      return said;
    },
    // A wrong argument: whether the model reads what is wrong, as a result or as an error's text.
    async error() {
      let raised;
      const said = await call("extend_video", { assetId: clip, seconds: 7 }).catch((error) => {
        raised = error.name;
        return error.message;
      });
      hold(said.includes("seconds must be 5 or 10"), `${raised ?? ""} ${said}`);
      return [said, raised ? { raised } : {}];
    },
  };
  for (const [step, run] of Object.entries(steps)) {
    if (step === "read" && !read) {
      tell(step, null, "it has no call that reads a resource");
      continue;
    }
    try {
      const [said, more] = [await run()].flat();
      tell(step, true, said, { cut, ...more });
    } catch (error) {
      tell(step, false, `${error.name}: ${error.message}`, { cut });
    }
  }
}

function clipOf(said) {
  if (!said.startsWith("{")) return CLIP.exec(said)?.[1];
  return JSON.parse(said).assets.find((asset) => asset.name.includes("quiet beach"))?.assetId;
}

function nextOf(said) {
  if (said.startsWith("{")) {
    const step = JSON.parse(said).next_step;
    return step && [step.tool, step.arguments];
  }
  const found = NEXT.exec(said);
  return found && [found[1], JSON.parse(found[2])];
}

function hold(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}
