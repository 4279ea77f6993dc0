// The visitor's session: goes on where it was, also in another tab, or starts anew.

import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import type { Config } from "./config";
import { Channel, DeviceClass } from "./gen/omnimesh/common/v1/channel_pb";
import { type Session, SessionService } from "./gen/omnimesh/sessions/v1/session_service_pb";
import { connect } from "./transport";

export interface OpenSession {
  session: Session;
  /** Calls the mesh as this session. */
  transport: Transport;
}

export async function openSession(config: Config): Promise<OpenSession> {
  const place = `omnimesh session of ${config.gateway}`;
  const token = localStorage.getItem(place);
  return (token && (await resume(config, token))) || start(config, place);
}

async function resume(config: Config, token: string): Promise<OpenSession | undefined> {
  const transport = connect(config, token);
  try {
    const { session } = await createClient(SessionService, transport).getSession({});
    return session && { session, transport };
  } catch (error) {
    // Ended or expired: that is no fault, but anything else is.
    if (ConnectError.from(error).code === Code.Unauthenticated) return undefined;
    throw error;
  }
}

async function start(config: Config, place: string): Promise<OpenSession> {
  const { session, token } = await createClient(SessionService, connect(config, config.key)).startSession({
    channel: Channel.WEB,
    deviceClass: DeviceClass.DESKTOP,
    locale: navigator.language,
  });
  if (!session) throw new ConnectError("the mesh started no session", Code.Internal);
  localStorage.setItem(place, token);
  return { session, transport: connect(config, token) };
}
