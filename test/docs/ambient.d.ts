// Names that the samples use and this repository lacks: those of the reader's own app, and those of other packages,
// as their references document them. Those of Next.js, Vue and Svelte are real where `npm run test:guides` builds the
// apps.

declare module 'https://chat.example.com/client.js' {
  export * from '@chatkit-mint/client'
}

declare module 'next/headers' {
  export function headers(): Promise<Headers>
  interface CookieOptions {
    httpOnly?: boolean
    sameSite?: 'lax' | 'strict' | 'none'
    secure?: boolean
  }
  interface Cookies {
    get(name: string): { name: string; value: string } | undefined
    set(name: string, value: string, options?: CookieOptions): Cookies
  }
  export function cookies(): Promise<Cookies>
}

declare module 'next/navigation' {
  export function redirect(url: string): never
}

declare module '@vitejs/plugin-vue' {
  export default function vue(options: {
    template: { compilerOptions: { isCustomElement: (tag: string) => boolean } }
  }): import('vite').Plugin
}

declare module 'vue' {
  export function onMounted(hook: () => unknown): void
  export function ref<T>(value: T): { value: T }
  export function useTemplateRef<T>(name: string): { readonly value: T | null }
}

declare module 'svelte' {
  export function onMount(hook: () => unknown): void
}

/** The two files of the lines before the sample. */
declare const receipt: string
declare const jwks: import('jose').JSONWebKeySet

/** Svelte's compiler replaces it. */
declare function $state<T>(initial: T): T
declare function $state<T>(): T | undefined

declare module 'react-native' {
  import type { FC, ReactNode } from 'react'
  export const Linking: { openURL(url: string): Promise<unknown> }
  export const Text: FC<{ children: ReactNode }>
}

declare module 'react-native-webview' {
  import { Component } from 'react'

  interface WebViewNativeEvent {
    url: string
    loading: boolean
    title: string
    canGoBack: boolean
    canGoForward: boolean
    lockIdentifier: number
  }
  interface NativeSyntheticEvent<T> {
    nativeEvent: T
  }
  export type WebViewMessageEvent = NativeSyntheticEvent<WebViewNativeEvent & { data: string }>
  interface ShouldStartLoadRequest extends WebViewNativeEvent {
    isTopFrame: boolean
    mainDocumentURL?: string
    navigationType: 'click' | 'formsubmit' | 'backforward' | 'reload' | 'formresubmit' | 'other'
  }
  export interface WebViewProps {
    source?: { uri: string } | { html: string; baseUrl?: string }
    originWhitelist?: readonly string[]
    onMessage?: (event: WebViewMessageEvent) => void
    onShouldStartLoadWithRequest?: (event: ShouldStartLoadRequest) => boolean
  }
  export class WebView extends Component<WebViewProps> {
    injectJavaScript(script: string): void
  }
}

declare const chatkit: import('@openai/chatkit').OpenAIChatKit
declare function accessToken(): Promise<string>

/** Channel between one of the four kinds of app and the page in its web view. */
interface Channel {
  postMessage(text: string): void
  onmessage?: (event: { data: string }) => void
}

interface Window {
  webkit?: { messageHandlers?: { clientSecret?: Channel } }
  ReactNativeWebView?: Channel
  clientSecret?: Channel
  clientSecretAnswer(answer: { id: string; secret?: string; code?: string }): void
}
