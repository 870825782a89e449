package kube

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"k8s.io/client-go/rest"
)

// LogOptions say which lines of a container's log to read. The zero value reads all there are.
type LogOptions struct {
	Follow     bool          // go on until the context ends
	Since      time.Duration // how far back; 0: from the beginning. The kubelet knows whole seconds, so it is rounded up
	Tail       int64         // at most so many last lines; 0: no limit
	LimitBytes int64         // at most so many bytes; 0: no limit
	SinceTime  time.Time     // from then on, in whole seconds; zero: from the beginning. It wins over Since
	Timestamps bool          // each line begins with the time at which the container runtime took it, to the nanosecond, and a space
	Previous   bool          // of the container's instance before the last restart
}

// Logs reads a container's log. The context holds until the reader is closed. --request-timeout does not apply, so that
// logs can be followed. Every log has a connection of its own, so that one that nobody reads holds back no other, and what has come
// of it and was not read yet waits in the kernel, not in this program.
func (c *Client) Logs(ctx context.Context, p Pod, o LogOptions) (io.ReadCloser, error) {
	about := operation{doing: "read the log of", verb: "get", resource: pods, sub: "log", namespace: p.Namespace, name: p.Name}
	client, err := c.streams()
	if err != nil {
		return nil, c.fail(ctx, about, err)
	}
	request, err := requestBy(client, http.MethodGet, pods, p.Namespace, p.Name)
	if err != nil {
		return nil, c.fail(ctx, about, err)
	}
	request.SubResource("log")
	if p.Container != "" {
		request.Param("container", p.Container)
	}
	for name, value := range map[string]bool{"follow": o.Follow, "timestamps": o.Timestamps, "previous": o.Previous} {
		if value {
			request.Param(name, "true")
		}
	}
	if !o.SinceTime.IsZero() {
		request.Param("sinceTime", o.SinceTime.UTC().Truncate(time.Second).Format(time.RFC3339))
		o.Since = 0
	}
	seconds := int64((o.Since + time.Second - 1) / time.Second)
	for name, value := range map[string]int64{"sinceSeconds": seconds, "tailLines": o.Tail, "limitBytes": o.LimitBytes} {
		if value > 0 {
			request.Param(name, strconv.FormatInt(value, 10))
		}
	}
	body, err := request.Stream(ctx)
	if err != nil {
		return nil, c.fail(ctx, about, err)
	}
	return body, nil
}

// connectStreams gives a REST client without HTTP/2, which would put all logs on one connection and keep up to 4 MiB of each in memory.
func (c *Client) connectStreams() (*rest.RESTClient, error) {
	config := rest.CopyConfig(c.config)
	config.NextProtos = []string{"http/1.1"}
	return restClient(config)
}
