import { Pool } from 'undici'
import { createOpenAi } from '../../../src/chatkit/hosted/openai.ts'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { chatkitContract } from '../../contracts/chatkit.ts'
import { plain } from '../../support/ids.ts'

chatkitContract('the OpenAI adapter', async () => {
  const { url, api, close } = await startChatKitApi({ port: 0 })
  const dispatcher = new Pool(new URL(url).origin)
  const apiKey = () => new Secret('sk-contract')
  return {
    chatkit: plain(createOpenAi({ baseUrl: url, apiKey, dispatcherFor: () => dispatcher })),
    params: (user) => ({ user, workflow: { id: 'wf_contract' } }),
    async seedThread({ user, title, texts = [] }) {
      const items = texts.map((text) => ({
        type: 'chatkit.assistant_message' as const,
        content: [{ type: 'output_text' as const, text, annotations: [] }],
      }))
      return api.seedThread({ user, ...(title !== undefined && { title }), items })
    },
    async close() {
      await dispatcher.destroy()
      await close()
    },
  }
})
