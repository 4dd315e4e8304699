// What the samples use and this repository does not have: the names that a reader's own app supplies,
// and those parts of react-native and react-native-webview that the sample uses, as their reference
// documents them (Linking.openURL; WebView's props, methods, and event objects).

declare module 'https://chat.example.com/client.js' {
  export * from '@chatkit-mint/client'
}

declare module 'react-native' {
  export const Linking: { openURL(url: string): Promise<unknown> }
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

/** How the four kinds of app reach the page of a web view. */
interface Channel {
  postMessage(text: string): void
  onmessage?: (event: { data: string }) => void
}

interface Window {
  signedInUser: { accessToken(): Promise<string> }
  webkit?: { messageHandlers?: { clientSecret?: Channel } }
  ReactNativeWebView?: Channel
  clientSecret?: Channel
  clientSecretAnswer(answer: { id: string; secret?: string; code?: string }): void
}
