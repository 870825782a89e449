package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	oldstream "k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // client-go's Upgrader is still made of these
	names "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"
)

// tunnel opens a connection of many streams to a subresource of a pod: SPDY inside a WebSocket, or, where that does not
// get through, SPDY itself. Until it is open the context holds.
func (c *Client) tunnel(ctx context.Context, address *url.URL, protocol string) (httpstream.Connection, error) {
	conn, err := c.tunnelWebSocket(ctx, address, protocol)
	if err != nil && fallBack(err) {
		conn, err = c.tunnelSPDY(ctx, address, protocol)
	}
	return conn, upgradeCause(err)
}

// tunnelWebSocket does by hand what client-go's dialer does, since that one knows no context.
func (c *Client) tunnelWebSocket(ctx context.Context, address *url.URL, protocol string) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, request, names.WebsocketsSPDYTunnelingPrefix+protocol)
	if err != nil {
		return nil, err
	}
	tunnel := portforward.NewTunnelingConnectionWithLogger(klog.FromContext(ctx), conn)
	return streamspdy.NewClientConnectionWithPings(tunnel, portforward.PingPeriod)
}

func (c *Client) tunnelSPDY(ctx context.Context, address *url.URL, protocol string) (httpstream.Connection, error) {
	transport, upgrader, err := c.spdyTransport()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the API server redirects an upgrade") // would send credentials to somebody else
	}}
	conn, chosen, err := spdy.NegotiateStreaming(upgrader, client, request, protocol)
	if err != nil {
		return nil, err
	}
	if chosen != protocol {
		return nil, errors.Join(fmt.Errorf("the API server speaks %q instead of %q", chosen, protocol), conn.Close())
	}
	return conn, nil
}

// spdyTransport is client-go's, but keeps the status that the API server refuses an upgrade with.
func (c *Client) spdyTransport() (http.RoundTripper, spdy.Upgrader, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, nil, err
	}
	return transport, statusUpgrader{upgrader}, nil
}

// statusUpgrader turns a refused upgrade into the status that says why: client-go keeps only the message of it, and
// forbidden and absent could no longer be told apart.
type statusUpgrader struct{ next spdy.Upgrader }

// NewConnection is given the API server's answer to the upgrade.
func (u statusUpgrader) NewConnection(answer *http.Response) (oldstream.Connection, error) {
	if answer.StatusCode < http.StatusBadRequest {
		return u.next.NewConnection(answer)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("reading why the upgrade was refused (%s): %w", answer.Status, err)
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Status == metav1.StatusFailure {
		return nil, &apierrors.StatusError{ErrStatus: status}
	}
	// Somebody in between: the code gives the kind, its own words the message.
	generic := apierrors.NewGenericServerResponse(answer.StatusCode, "", pods.GroupResource(), "", "", 0, false)
	generic.ErrStatus.Message = answer.Status + ": " + string(body)
	return nil, generic
}

// fallBack tells whether SPDY may succeed where WebSocket failed: on API servers before 1.30 and behind proxies that
// know no WebSocket, and where a role grants create (POST, SPDY) but not get (GET, WebSocket).
func fallBack(err error) bool {
	cause := upgradeCause(err)
	if apierrors.IsNotFound(cause) || apierrors.IsUnauthorized(cause) {
		return false
	}
	return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
}

// upgradeCause gives what lies inside an UpgradeFailureError, which does not unwrap.
func upgradeCause(err error) error {
	if failure, ok := errors.AsType[*httpstream.UpgradeFailureError](err); ok && failure.Cause != nil {
		return failure.Cause
	}
	return err
}
