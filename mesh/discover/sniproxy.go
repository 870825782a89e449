package discover

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/mesh"
)

// sniProxyName is the container's name in the documents that have an SNI proxy beside Envoy (Istio task "Wildcard egress
// hosts" up to 1.13).
const sniProxyName = "sni-proxy"

// nginxHome is where nginx looks for its configuration, and where these documents mount it.
const (
	nginxHome = "/etc/nginx"
	nginxConf = "nginx.conf"
)

// sniProxy finds the proxy beside Envoy. While not every pod has one at the same port, as during a roll-out, there is none
// to rely on: a connection may meet a pod without.
func (f *finder) sniProxy(ctx context.Context, namespace string, pods []pod) (*mesh.SNIProxy, error) {
	var common *mesh.SNIProxy
	for i, p := range pods {
		c, ok := p.Spec.container(sniProxyName)
		if !ok {
			return nil, nil
		}
		port, err := f.sniPort(ctx, namespace, p, c)
		if err != nil || port == 0 {
			return nil, err
		}
		switch {
		case i == 0:
			common = &mesh.SNIProxy{Container: c.Name, Port: port}
		case common.Port != port:
			return nil, nil
		}
	}
	return common, nil
}

// sniPort is the port that the container declares, else the one that its nginx listens on; 0 if neither says.
func (f *finder) sniPort(ctx context.Context, namespace string, p pod, c container) (int, error) {
	for _, port := range c.Ports {
		if cmp.Or(port.Protocol, "TCP") == "TCP" {
			return port.ContainerPort, nil
		}
	}
	name, key, ok := p.Spec.nginxConfig(c)
	if !ok {
		return 0, nil
	}
	var config configMap
	if err := f.Get(ctx, configMapsResource, namespace, name, &config); err != nil {
		return 0, f.soften(ctx, fmt.Sprintf("configmap %s/%s of container %s", namespace, name, c.Name), err)
	}
	return prereadPort(config.Data[key]), nil
}

// container finds a container by name.
func (s podSpec) container(name string) (container, bool) {
	for _, list := range [][]container{s.Containers, s.InitContainers} {
		for _, c := range list {
			if c.Name == name {
				return c, true
			}
		}
	}
	return container{}, false
}

// nginxConfig gives the ConfigMap and key that a container sees as nginx's configuration.
func (s podSpec) nginxConfig(c container) (name, key string, ok bool) {
	for _, m := range c.VolumeMounts {
		file := nginxConf // in the volume
		switch strings.TrimSuffix(m.MountPath, "/") {
		case nginxHome:
			if m.SubPath != "" {
				file = m.SubPath + "/" + nginxConf
			}
		case nginxHome + "/" + nginxConf:
			file = cmp.Or(m.SubPath, nginxConf)
		default:
			continue
		}
		for _, v := range s.Volumes {
			if v.Name != m.Name || v.ConfigMap.Name == "" {
				continue
			}
			if len(v.ConfigMap.Items) == 0 {
				return v.ConfigMap.Name, file, true
			}
			for _, item := range v.ConfigMap.Items {
				if item.Path == file {
					return v.ConfigMap.Name, item.Key, true
				}
			}
		}
	}
	return "", "", false
}
