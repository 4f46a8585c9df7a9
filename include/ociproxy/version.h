// The one place that holds the version number; the Makefile reads it from here.
#ifndef OCIPROXY_VERSION_H
#define OCIPROXY_VERSION_H

#define OCIPROXY_VERSION "0.1.0"

#endif
