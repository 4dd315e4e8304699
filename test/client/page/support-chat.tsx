import { ChatKit, useChatKit } from '@openai/chatkit-react'
import { useEffect, useMemo, useState } from 'react'
import { createGetClientSecret } from '../../../src/client/client.js'

/** Who is signed in, as an app knows it. */
export interface SupportChatProps {
  readonly user: string
  readonly getToken: () => Promise<string>
}

/** A chat in React. Another user is another chat: nothing of the first is left. */
export function SupportChat({ user, getToken }: SupportChatProps) {
  return <UsersChat key={user} getToken={getToken} />
}

function UsersChat({ getToken }: Pick<SupportChatProps, 'getToken'>) {
  const [ended, setEnded] = useState<string>()
  const getClientSecret = useMemo(
    () =>
      createGetClientSecret({
        url: 'https://chat.example.com',
        getToken,
        workflow: 'support',
        onSignedOut: () => setEnded('Sign in again to go on.'),
        onRevoked: () => setEnded('Your access to the chat was revoked.'),
      }),
    [getToken],
  )
  useEffect(() => getClientSecret.reset, [getClientSecret])
  const { control } = useChatKit({ api: { getClientSecret } })
  if (ended !== undefined) return <p role="alert">{ended}</p>
  return <ChatKit control={control} className="support-chat" />
}
