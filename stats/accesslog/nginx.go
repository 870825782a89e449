package accesslog

import "bytes"

// nginx reads the log_stream format of the documents' SNI proxy (Istio task "Wildcard egress hosts", up to 1.13):
//
//	$remote_addr [$time_local] $protocol [$ssl_preread_server_name]$status $bytes_sent $bytes_received $session_time
func nginx(b []byte, l *Line) bool {
	c := cursor{b: b}
	l.DownstreamRemote = value(c.word())
	if len(l.DownstreamRemote) == 0 || c.peek() != '[' {
		return false
	}
	end := bytes.IndexByte(b[c.i:], ']')
	if end < 0 {
		return false
	}
	when, ok := commonTime(b[c.i+1 : c.i+end])
	c.i += end + 1
	if !ok || c.peek() != ' ' {
		return false
	}
	c.i++
	l.Protocol = value(c.word())
	if len(l.Protocol) == 0 || c.peek() != '[' {
		return false
	}
	end = bytes.LastIndexByte(b, ']') // a server name is what a client wrote
	if end < c.i {
		return false
	}
	l.SNI = value(b[c.i+1 : end])
	c.i = end + 1
	if !c.number(&l.Code) || !c.number(&l.BytesSent) || !c.number(&l.BytesReceived) {
		return false
	}
	if l.DurationMS, ok = thousandths(c.word()); !ok || c.i < len(b) {
		return false
	}
	l.Time, l.Format, l.Source = when, NginxStream, SNIProxy
	return true
}
